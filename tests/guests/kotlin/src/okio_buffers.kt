// Okio's buffers and byte strings: segments that move between buffers, hashes, encodings, sources and sinks.
//
// libs: okio-wasm-wasi

import okio.Buffer
import okio.ByteString.Companion.decodeBase64
import okio.ByteString.Companion.decodeHex
import okio.ByteString.Companion.encodeUtf8
import okio.ByteString.Companion.toByteString
import okio.EOFException
import okio.ForwardingSource
import okio.HashingSink
import okio.Source
import okio.blackholeSink
import okio.buffer
import okio.use

/** Turns each byte that passes by into another one. */
private class Masked(source: Source, private val mask: Int) : ForwardingSource(source) {
    override fun read(sink: Buffer, byteCount: Long): Long {
        val taken = Buffer()
        val count = super.read(taken, byteCount)
        if (count > 0) {
            val bytes = taken.readByteArray()
            for (i in bytes.indices) bytes[i] = (bytes[i].toInt() xor mask).toByte()
            sink.write(bytes)
        }
        return count
    }
}

private fun numbers() {
    val buffer = Buffer()
    for (i in 0 until 10_000) buffer.writeInt(i).writeLongLe(i * 1_000_003L).writeShort(i and 0x7fff)
    println("written: ${buffer.size} bytes")
    var sum = 0L
    for (i in 0 until 10_000) sum += buffer.readInt() + buffer.readLongLe() + buffer.readShort()
    println("read: $sum, left: ${buffer.size}")
    buffer.writeDecimalLong(Long.MIN_VALUE).writeUtf8(" ").writeHexadecimalUnsignedLong(0xcafe)
    println("as text: ${buffer.readUtf8()}")
}

private fun text() {
    val buffer = Buffer()
    for (line in listOf("first line", "zweite Zeile: äöü€", "", "last")) buffer.writeUtf8(line).writeUtf8("\r\n")
    while (true) println("line: ${buffer.readUtf8Line() ?: break}")
    try {
        buffer.readInt()
    } catch (e: EOFException) {
        println("the end")
    }
}

private fun encodings() {
    val text = "Buffers that share their segments".encodeUtf8()
    println("hex: ${text.hex()}")
    println("base64: ${text.base64()}")
    println("back: ${text.base64().decodeBase64()!!.utf8()}, ${text.hex().decodeHex() == text}")
    for ((name, hash) in listOf("md5" to text.md5(), "sha1" to text.sha1(), "sha256" to text.sha256())) {
        println("$name: ${hash.hex()}")
    }
    println("order: ${listOf("b", "a", "ab").map { it.encodeUtf8() }.sorted().map { it.utf8() }}")
    println("part: ${text.substring(8, 12).utf8()}, at ${text.indexOf("share".encodeUtf8())}")
}

private fun pipes() {
    val plain = ByteArray(300_000) { (it * 31 + it / 251).toByte() }
    val masked = Masked(Buffer().write(plain), 0x5a)
    val copy = Masked(masked, 0x5a).buffer().use { it.readByteString() }
    println("through two masks: ${copy == plain.toByteString()}")
    val hashing = HashingSink.sha256(blackholeSink())
    hashing.buffer().use { sink ->
        val from = Buffer().write(plain)
        while (!from.exhausted()) sink.write(from, minOf(from.size, 4099L))
    }
    // Asking for the hash begins a new one.
    val hash = hashing.hash
    println("hash: ${hash.hex()}, the same: ${hash == plain.toByteString().sha256()}")
    val clone = Buffer().write(plain).let { original -> original.copy().also { original.skip(100_000) } }
    println("clone: ${clone.size}, found: ${clone.indexOf(byteArrayOf(31, 62, 93).toByteString())}")
}

fun main() {
    numbers()
    text()
    encodings()
    pipes()
}
