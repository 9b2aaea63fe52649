// Matrices made here, multiplied by the host's GPU, and used here.
package pipeline

import kotlin.wasm.WasmExport
import kotlin.wasm.WasmImport
import kotlin.wasm.unsafe.Pointer
import kotlin.wasm.unsafe.withScopedMemoryAllocator

/** Multiplies two matrices of f32 in the memory, row by row, into a third one: 0, or why not. */
@WasmImport("gpu", "multiply")
private external fun gpuMultiply(left: Int, right: Int, product: Int, side: Int): Int

private class Matrix(val side: Int, val cells: FloatArray) {
    constructor(side: Int, cell: (row: Int, column: Int) -> Int) :
        this(side, FloatArray(side * side) { cell(it / side, it % side).toFloat() })

    fun store(to: Pointer) {
        for (i in cells.indices) (to + 4 * i).storeInt(cells[i].toRawBits())
    }

    operator fun times(other: Matrix) = Matrix(side, FloatArray(side * side).also { product ->
        for (row in 0 until side) for (k in 0 until side) {
            val cell = cells[row * side + k]
            for (column in 0 until side) product[row * side + column] += cell * other.cells[k * side + column]
        }
    })

    val trace get() = (0 until side).sumOf { cells[it * (side + 1)].toDouble() }
}

/** How many products there have been, and the sum of their traces. */
private var products = 0
private var traces = 0.0

/**
 * Multiplies two matrices that follow from `seed` on the GPU and compares each cell with the product that is computed here;
 * they are whole numbers that f32 holds, so no order of summing changes them. The trace of the product; -1 if they differ.
 */
@WasmExport
fun multiply(side: Int, seed: Int): Double = withScopedMemoryAllocator { allocator ->
    val bytes = 4 * side * side
    val (left, right, product) = List(3) { allocator.allocate(bytes) }
    val a = Matrix(side) { row, column -> (row * 7 + column * 3 + seed) % 17 - 8 }
    val b = Matrix(side) { row, column -> (row * 5 + column * 11 + seed) % 13 - 6 }
    a.store(left)
    b.store(right)
    check(gpuMultiply(left.address.toInt(), right.address.toInt(), product.address.toInt(), side) == 0)
    val result = Matrix(side, FloatArray(side * side) { Float.fromBits((product + 4 * it).loadInt()) })
    products++
    traces += result.trace
    if (result.cells.contentEquals((a * b).cells)) result.trace else -1.0
}

/** The sum of all traces so far, where there have been so many products. */
@WasmExport
fun traces(count: Int): Double = if (count == products) traces else Double.NaN
