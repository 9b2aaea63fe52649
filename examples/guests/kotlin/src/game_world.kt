// A world of entities with components of three kinds. Entities and components know each other, and some entities chase others:
// what dies is a cycle. The host gives the wind, calls a step sixty times a second, and shows what the step wrote for it.
package world

import kotlin.wasm.WasmExport
import kotlin.wasm.WasmImport
import kotlin.wasm.unsafe.Pointer
import kotlin.wasm.unsafe.withScopedMemoryAllocator

/** The wind of this step. */
@WasmImport("host", "wind")
private external fun hostWind(): Double

/** Shows so many entities, 12 bytes each: x and y as f32, and the first vertex of the mesh. */
@WasmImport("host", "show")
private external fun hostShow(address: Int, count: Int)

private const val SIDE = 1000.0

private class Mesh(val vertices: FloatArray, val indices: IntArray)

private class Texture(val side: Int, val pixels: ByteArray)

private fun mesh(number: Int) = Mesh(FloatArray(72) { (number + it % 8).toFloat() }, IntArray(36) { (it * 7 + number) % 24 })

private fun texture(number: Int, side: Int) = Texture(side, ByteArray(side * side) { (it + number).toByte() })

private val meshes = List(16) { mesh(it) }
private val textures = List(8) { texture(it, 64) }

private class Entity(val id: Int, val slot: Int) {
    val physics = Physics(this)
    val render = Render(this)
    val script: Script = when (id % 3) {
        0 -> Drift(this)
        1 -> Turn(this)
        else -> Chase(this)
    }
    var isAlive = true
    var age = 0
    val life = 10 + id % 31
}

private class Physics(val entity: Entity) {
    var x = (entity.id * 37 % 1000).toDouble()
    var y = (entity.id * 91 % 1000).toDouble()
    var vx = (entity.id % 11 - 5).toDouble()
    var vy = (entity.id % 13 - 6).toDouble()

    fun move() {
        x += vx
        y += vy
        if (x < 0.0 || x >= SIDE) { vx = -vx; x = x.coerceIn(0.0, SIDE - 1.0) }
        if (y < 0.0 || y >= SIDE) { vy = -vy; y = y.coerceIn(0.0, SIDE - 1.0) }
    }
}

/** Meshes and textures are shared, but for some entities that have their own. */
private class Render(val entity: Entity) {
    val mesh = if (entity.id % 8 == 0) mesh(entity.id % 97) else meshes[entity.id % meshes.size]
    val texture = if (entity.id % 64 == 0) texture(entity.id, 32) else textures[entity.id % textures.size]

    fun draw(at: Pointer) {
        at.storeInt(entity.physics.x.toFloat().toRawBits())
        (at + 4).storeInt(entity.physics.y.toFloat().toRawBits())
        (at + 8).storeInt(mesh.vertices[mesh.indices[texture.pixels[0].toInt() and 7] % 8].toRawBits())
    }
}

private abstract class Script(val entity: Entity) {
    abstract fun run(world: World)
}

private class Drift(entity: Entity) : Script(entity) {
    override fun run(world: World) {
        entity.physics.vx += world.wind
    }
}

private class Turn(entity: Entity) : Script(entity) {
    override fun run(world: World) {
        val physics = entity.physics
        val vx = physics.vx * 0.8 - physics.vy * 0.6
        physics.vy = physics.vx * 0.6 + physics.vy * 0.8
        physics.vx = vx
    }
}

private class Chase(entity: Entity) : Script(entity) {
    var target: Entity = entity

    override fun run(world: World) {
        if (target === entity || !target.isAlive) target = world.entities[(entity.slot * 31 + world.step) % world.entities.size]
        entity.physics.vx += (target.physics.x - entity.physics.x) * 0.001
        entity.physics.vy += (target.physics.y - entity.physics.y) * 0.001
    }
}

private class World(count: Int) {
    var made = 0
    var step = 0
    var wind = 0.0
    val entities = ArrayList<Entity>()

    init {
        repeat(count) { entities += Entity(made++, it) }
    }

    fun run() {
        wind = hostWind()
        for (slot in entities.indices) {
            val entity = entities[slot]
            entity.script.run(this)
            entity.physics.move()
            if (++entity.age == entity.life) {
                entity.isAlive = false
                entities[slot] = Entity(made++, slot)
            }
        }
        step++
    }

    fun show() = withScopedMemoryAllocator { allocator ->
        val frame = allocator.allocate(12 * entities.size)
        for (slot in entities.indices) entities[slot].render.draw(frame + 12 * slot)
        hostShow(frame.address.toInt(), entities.size)
    }

    fun checksum() = entities.fold(0L) { sum, entity ->
        ((sum * 31 + entity.physics.x.toRawBits()) * 31 + entity.physics.y.toRawBits()) * 31 + entity.id
    }
}

private var world = World(0)

@WasmExport
fun create(count: Int) {
    world = World(count)
}

/** A step of all entities: how many there have ever been. */
@WasmExport
fun step(): Int {
    world.run()
    world.show()
    return world.made
}

/** Where everybody is, and who. */
@WasmExport
fun checksum(): Long = world.checksum()
