// Coroutines on the library's own event loop: delays, channels, flows, cancellation, and counters of atomicfu.
//
// libs: kotlinx-coroutines-core-wasm-wasi atomicfu-wasm-wasi

import kotlinx.atomicfu.atomic
import kotlinx.coroutines.*
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.produce
import kotlinx.coroutines.flow.*
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock

private val finished = atomic(0)
private val log = mutableListOf<String>()

private suspend fun timers() = coroutineScope {
    // The later ones are started first.
    for (step in 5 downTo 1) launch {
        delay(step * 4L)
        log += "timer $step"
        finished.incrementAndGet()
    }
}

@OptIn(ExperimentalCoroutinesApi::class)
private fun CoroutineScope.squares(count: Int) = produce(capacity = 2) {
    for (number in 1..count) send(number * number)
}

private suspend fun channels() = coroutineScope {
    var sum = 0
    for (square in squares(100)) sum += square
    println("sum of squares: $sum")
    val rendezvous = Channel<String>()
    val receiver = async { buildList { for (word in rendezvous) add(word) } }
    for (word in "one two three".split(' ')) rendezvous.send(word)
    rendezvous.close()
    println("received: ${receiver.await()}")
}

private suspend fun flows() {
    val words = flow {
        for (number in 1..20) {
            emit(number)
            yield()
        }
    }
    val even = words.filter { it % 2 == 0 }.map { it * it }.take(5).toList()
    println("squares of even numbers: $even")
    val state = MutableStateFlow(0)
    coroutineScope {
        val seen = async { state.takeWhile { it < 3 }.toList() }
        for (value in 1..3) {
            yield()
            state.value = value
        }
        println("states: ${seen.await()}")
    }
    println("folded: ${(1..1000).asFlow().buffer(16).fold(0) { sum, number -> sum + number }}")
}

private suspend fun cancellation() = coroutineScope {
    val job = launch {
        try {
            delay(1_000_000)
        } catch (e: CancellationException) {
            println("cancelled")
            throw e
        } finally {
            withContext(NonCancellable) {
                delay(1)
                println("cleaned up")
            }
        }
    }
    yield()
    job.cancelAndJoin()
    println("job: cancelled ${job.isCancelled}, active ${job.isActive}")
    println("timeout: ${withTimeoutOrNull(5) { delay(1_000_000); "never" }}")
    val failed = supervisorScope { async { error("in a child") }.runCatching { await() } }
    println("failure: ${failed.exceptionOrNull()?.message}")
}

private suspend fun many() = coroutineScope {
    val mutex = Mutex()
    var counter = 0
    val jobs = List(1_000) {
        launch {
            repeat(3) { yield() }
            mutex.withLock { counter++ }
            finished.incrementAndGet()
        }
    }
    jobs.joinAll()
    println("counted: $counter")
}

// The library runs its event loop when `main` has returned.
fun main() {
    CoroutineScope(Dispatchers.Default).launch {
        timers()
        println(log.joinToString())
        channels()
        flows()
        cancellation()
        many()
        println("finished: ${finished.value}")
    }
    println("main returns")
}
