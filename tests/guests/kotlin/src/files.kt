// Opens and lists files the way kotlinx-io and okio do, which a strict host refuses: paths end with a zero byte, are
// absolute whatever the directory's descriptor is, and a walk goes into every directory that a list has.
import guest.exit
import guest.readFully
import guest.wasiArgs
import kotlin.wasm.WasmImport
import kotlin.wasm.unsafe.Pointer
import kotlin.wasm.unsafe.withScopedMemoryAllocator

@WasmImport("wasi_snapshot_preview1", "path_open")
private external fun pathOpen(
    dirFd: Int, dirFlags: Int, path: Int, pathLen: Int, oflags: Int,
    rightsBase: Long, rightsInheriting: Long, fdFlags: Int, fdOut: Int,
): Int

@WasmImport("wasi_snapshot_preview1", "fd_readdir")
private external fun fdReaddir(fd: Int, buf: Int, bufLen: Int, cookie: Long, used: Int): Int

@WasmImport("wasi_snapshot_preview1", "fd_close")
private external fun fdClose(fd: Int): Int

private const val FIRST_PREOPEN = 3
private const val DIRECTORY = 3
private val READING = 2L or (1L shl 13) or (1L shl 14) or (1L shl 21)

/** The descriptor, or the error number below zero. */
private fun open(path: String, oflags: Int): Int = withScopedMemoryAllocator { memory ->
    val bytes = path.encodeToByteArray() + 0
    val name = memory.allocate(bytes.size)
    for (index in bytes.indices) (name + index).storeByte(bytes[index])
    val result = memory.allocate(4)
    val rights = if (oflags == 0) 2L else READING
    val errno = pathOpen(FIRST_PREOPEN, 1, name.address.toInt(), bytes.size, oflags, rights, READING, 0, result.address.toInt())
    if (errno == 0) result.loadInt() else -errno
}

private fun list(fd: Int): List<Pair<String, Int>> = withScopedMemoryAllocator { memory ->
    val room = 4096
    val buffer = memory.allocate(room)
    val used = memory.allocate(4)
    check(fdReaddir(fd, buffer.address.toInt(), room, 0L, used.address.toInt()) == 0)
    val entries = mutableListOf<Pair<String, Int>>()
    var at: Pointer = buffer
    val end = buffer.address + used.loadInt().toUInt()
    while (at.address < end) {
        val length = (at + 16).loadInt()
        val type = (at + 20).loadByte().toInt()
        entries += ByteArray(length) { (at + 24 + it).loadByte() }.decodeToString() to type
        at += 24 + length
    }
    entries.sortedBy { it.first }
}

private fun walk(path: String, depth: Int) {
    if (depth > 8) {
        println("$path: too deep")
        exit(2)
    }
    val fd = open(path, 2)
    if (fd < 0) {
        println("$path: error ${-fd}")
        exit(1)
    }
    for ((name, type) in list(fd)) {
        val child = "$path/$name"
        if (type == DIRECTORY) {
            println("$child/")
            walk(child, depth + 1)
        } else {
            val file = open(child, 0)
            println("$child: ${if (file < 0) "error ${-file}" else readFully(file).decodeToString().trim()}")
            fdClose(file)
        }
    }
    fdClose(fd)
}

fun main() = walk(wasiArgs().first(), 0)
