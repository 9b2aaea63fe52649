// flags: -source-map -source-map-embed-sources=never
// Throws from a few functions, so that the source map of the module has something to say of each frame.
class Account(private var balance: Int) {
    fun withdraw(amount: Int): Int {
        require(amount <= balance) { "$amount is more than $balance" }
        balance -= amount
        return balance
    }
}

inline fun twice(action: (Int) -> Unit) {
    action(1)
    action(2)
}

fun spend(account: Account) {
    twice { round ->
        println("round $round: ${account.withdraw(60)} left")
    }
}

fun main() {
    val account = Account(100)
    listOf(account).forEach(::spend)
}
