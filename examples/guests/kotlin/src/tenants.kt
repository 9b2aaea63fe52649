// A bank of which each tenant has its own: accounts as objects, payments to other tenants as messages of the host's, and
// all ways in which a tenant can misbehave.
package tenants

import kotlin.wasm.WasmExport
import kotlin.wasm.WasmImport
import kotlin.wasm.unsafe.withScopedMemoryAllocator

/** Sends bytes of the memory to a tenant: 0, or why not. */
@WasmImport("tenants", "send")
private external fun hostSend(to: Long, address: Int, length: Int): Int

/** Writes the next message to the memory: its length, or -1 if there is none. */
@WasmImport("tenants", "receive")
private external fun hostReceive(address: Int, capacity: Int): Int

private class Account(val customer: Int) {
    var balance = 0
    val entries = ArrayList<Entry>()
}

private class Entry(val account: Account, val amount: Int)

private class Overdrawn(val account: Account) : RuntimeException("account ${account.customer} has ${account.balance}")

private val accounts = HashMap<Int, Account>()

private fun book(customer: Int, amount: Int): Account {
    val account = accounts.getOrPut(customer) { Account(customer) }
    if (account.balance + amount < 0) throw Overdrawn(account)
    account.balance += amount
    account.entries += Entry(account, amount)
    return account
}

/** The customer's balance afterwards. Throws where that would be below zero. */
@WasmExport
fun deposit(customer: Int, amount: Int): Int = book(customer, amount).balance

/** The sum of all balances, which is also that of all entries. */
@WasmExport
fun total(): Int {
    val sum = accounts.values.sumOf { it.balance }
    check(sum == accounts.values.sumOf { account -> account.entries.sumOf { it.amount } })
    return sum
}

/** Pays to a customer of another tenant: 0, or why the host did not take the message. */
@WasmExport
fun pay(from: Int, tenant: Long, to: Int, amount: Int): Int {
    val sent = withScopedMemoryAllocator { allocator ->
        val message = allocator.allocate(8)
        message.storeInt(to)
        (message + 4).storeInt(amount)
        hostSend(tenant, message.address.toInt(), 8)
    }
    if (sent == 0) book(from, -amount)
    return sent
}

/** Books the payments that have come: how many. */
@WasmExport
fun collect(): Int = withScopedMemoryAllocator { allocator ->
    val message = allocator.allocate(8)
    var count = 0
    while (hostReceive(message.address.toInt(), 8) == 8) {
        book(message.loadInt(), (message + 4).loadInt())
        count++
    }
    count
}

@WasmExport
fun crash(index: Int): Int = IntArray(4)[index]

@WasmExport
fun spin() {
    while (true) {}
}

@WasmExport
fun recurse(depth: Int): Int = 1 + recurse(depth + 1) + recurse(depth - 1)

/** Holds objects until there is no room, which no program catches: they are garbage then. */
@WasmExport
fun fillHeap() {
    val hoard = ArrayList<IntArray>()
    while (true) hoard += IntArray(1000)
}

/** Takes linear memory until there is no more, which is an exception. */
@WasmExport
fun fillMemory() = withScopedMemoryAllocator { allocator ->
    while (true) allocator.allocate(1 shl 20)
}
