// libs: kotlin-test-wasm-wasi
// A module of unit tests, as a Gradle project's test compilation makes one: some pass, some fail, some are ignored.
// `heapwood test` runs it.
import kotlin.test.*

class Sums {
    private var seed = 0

    @BeforeTest
    fun setUp() { seed = 40 }

    @Test
    fun addsTwo() = assertEquals(42, seed + 2)

    @Test
    fun `has a name with spaces, 'quotes' and ünïcode`() { println("printed by a test"); assertTrue(seed == 40) }

    @Test
    fun isWrong() = assertEquals(43, seed + 2, "the sum")

    @Ignore
    @Test
    fun waits() { fail("never runs") }
}

class Parsing {
    @Test
    fun refusesLetters() { assertFailsWith<NumberFormatException> { "x1".toInt() } }

    @Test
    fun throwsFarBelow() { below(5) }

    private fun below(depth: Int) {
        if (depth == 0) throw IllegalStateException("deep | [down]\nsecond line", RuntimeException("the cause"))
        below(depth - 1)
    }

    class Inner {
        @Test
        fun nested() { assertNotNull("x".length) }
    }
}

@Ignore
class NotYet {
    @Test
    fun a() { fail("never runs") }
}
