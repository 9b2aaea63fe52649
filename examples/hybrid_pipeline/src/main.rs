//! A Kotlin guest prepares matrices in its memory, a GPU multiplies them, and the guest finishes.
//!
//! The device is written from the memory's slice, with nothing of the host's in between, and the mapped result is
//! copied once, into the guest's memory. The guest compares each cell with the product that it computes itself. Without
//! a Vulkan adapter (a software one will do) the example says that it is skipped.

use heapwood::{Caller, Engine, Extern, Linker, Module, Result, Store};
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Compiled from `examples/guests/kotlin/src/hybrid_pipeline.kt`.
const PIPELINE: &[u8] = include_bytes!("../../guests/kotlin/wasm/hybrid_pipeline.wasm");

/// Rows and columns of the matrices; some of them fill no whole group of invocations.
const SIDES: [u32; 5] = [1, 7, 64, 100, 256];

/// A cell of the product for each invocation, in groups of 8 by 8.
const SHADER: &str = "
@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> product: array<f32>;
@compute @workgroup_size(8, 8)
fn multiply(@builtin(global_invocation_id) at: vec3<u32>) {
    let side = u32(sqrt(f32(arrayLength(&product))) + 0.5);
    if (at.x >= side || at.y >= side) { return; }
    var sum = 0.0;
    for (var k = 0u; k < side; k++) { sum += left[at.y * side + k] * right[k * side + at.x]; }
    product[at.y * side + at.x] = sum;
}";

/// The value of a future of `wgpu`, which on this system has it at once or after some polls.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::thread::yield_now();
    }
}

/// A device with the program on it, and what was moved to it and back.
struct Gpu {
    name: String,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
    written_bytes: u64,
    read_bytes: u64,
}

impl Gpu {
    /// None if there is no adapter.
    fn open() -> Result<Option<Gpu>> {
        let mut wanted = wgpu::InstanceDescriptor::new_without_display_handle();
        wanted.backends = wgpu::Backends::VULKAN;
        let instance = wgpu::Instance::new(wanted);
        let Ok(adapter) = wait(instance.request_adapter(&wgpu::RequestAdapterOptions::default())) else {
            return Ok(None);
        };
        let wanted =
            wgpu::DeviceDescriptor { required_limits: wgpu::Limits::downlevel_defaults(), ..Default::default() };
        let (device, queue) = wait(adapter.request_device(&wanted))?;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("multiply"),
            compilation_options: Default::default(),
            cache: None,
        });
        let name = adapter.get_info().name;
        Ok(Some(Gpu { name, device, queue, pipeline, written_bytes: 0, read_bytes: 0 }))
    }

    fn buffer(&self, bytes: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A matrix on the device, written from where it lies in the guest's memory.
    fn upload(&mut self, cells: &[u8]) -> wgpu::Buffer {
        let buffer = self.buffer(cells.len() as u64, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST);
        self.queue.write_buffer(&buffer, 0, cells);
        self.written_bytes += cells.len() as u64;
        buffer
    }

    /// Multiplies, and leaves the product in a buffer that is mapped.
    fn multiply(&mut self, left: &[u8], right: &[u8], side: u32) -> Result<wgpu::Buffer> {
        use wgpu::BufferUsages as Usage;
        let bytes = left.len() as u64;
        let (left, right) = (self.upload(left), self.upload(right));
        let product = self.buffer(bytes, Usage::STORAGE | Usage::COPY_SRC);
        let mapped = self.buffer(bytes, Usage::MAP_READ | Usage::COPY_DST);
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[entry(0, &left), entry(1, &right), entry(2, &product)],
        });
        let mut commands = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = commands.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(side.div_ceil(8), side.div_ceil(8), 1);
        }
        commands.copy_buffer_to_buffer(&product, 0, &mapped, 0, bytes);
        self.queue.submit([commands.finish()]);
        let (done, result) = std::sync::mpsc::channel();
        mapped.map_async(wgpu::MapMode::Read, .., move |result| _ = done.send(result));
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        result.recv()??;
        Ok(mapped)
    }
}

/// A buffer as the shader's variable of a number.
fn entry(binding: u32, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
}

/// A matrix in a memory of `len` bytes; the guest chose the numbers.
fn matrix(address: i32, side: i32, len: usize) -> Result<Range<usize>> {
    let (address, side) = (address as u32 as usize, side as u32 as usize);
    let end = side.checked_mul(side).and_then(|cells| cells.checked_mul(4)?.checked_add(address));
    Ok(end.filter(|end| *end <= len).map(|end| address..end).ok_or("a matrix beyond the memory")?)
}

/// The guest's import: multiplies two matrices of its memory into a third one.
fn multiply(mut caller: Caller<'_, Gpu>, left: i32, right: i32, product: i32, side: i32) -> Result<i32> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or("the guest exports no memory")?;
    let (bytes, gpu) = memory.data_and_store_mut(&mut caller);
    let place = |address| matrix(address, side, bytes.len());
    let (left, right, product) = (place(left)?, place(right)?, place(product)?);
    let mapped = gpu.multiply(&bytes[left], &bytes[right], side as u32)?;
    // The one copy of the result.
    bytes[product].copy_from_slice(&mapped.get_mapped_range(..)?);
    gpu.read_bytes += mapped.size();
    mapped.unmap();
    Ok(0)
}

/// The figures that end the example; none without an adapter.
fn run() -> Result<Option<String>> {
    let Some(gpu) = Gpu::open()? else { return Ok(None) };
    let engine = Engine::default();
    let mut linker: Linker<Gpu> = Linker::new(&engine);
    linker.func_wrap("gpu", "multiply", multiply)?;
    let module = Module::new(&engine, PIPELINE)?;
    linker.define_unknown_imports_as_traps(&module)?;
    let mut store = Store::builder(&engine).gc_heap_max(64 << 20).memory_max(16 << 20).build(gpu)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let product = instance.get_typed_func::<(i32, i32), f64>(&mut store, "multiply")?;
    let traces = instance.get_typed_func::<i32, f64>(&mut store, "traces")?;

    let (mut sum, mut bytes) = (0.0, 0);
    for (number, side) in (0..).zip(SIDES) {
        let trace = product.call(&mut store, (side as i32, number))?;
        assert_eq!(trace, expected_trace(i64::from(side), i64::from(number)), "a product of side {side}");
        sum += trace;
        bytes += u64::from(4 * side * side);
    }
    // The guest is the one that it was from the first product on.
    assert_eq!(traces.call(&mut store, SIDES.len() as i32)?, sum);
    let gpu = store.data();
    assert_eq!((gpu.written_bytes, gpu.read_bytes), (2 * bytes, bytes));
    Ok(Some(format!(
        "{} products on {}: {} bytes written from the guest's memory, {} read into it; traces {sum}",
        SIDES.len(),
        gpu.name,
        gpu.written_bytes,
        gpu.read_bytes
    )))
}

/// The trace of the product in whole numbers, without a matrix.
fn expected_trace(side: i64, seed: i64) -> f64 {
    let left = |row, column| (row * 7 + column * 3 + seed) % 17 - 8;
    let right = |row, column| (row * 5 + column * 11 + seed) % 13 - 6;
    let cells = (0..side * side).map(|cell| (cell / side, cell % side));
    cells.map(|(row, k)| left(row, k) * right(k, row)).sum::<i64>() as f64
}

fn main() -> Result<()> {
    match run()? {
        Some(figures) => println!("ok hybrid_pipeline {figures}"),
        None => println!("SKIPPED hybrid_pipeline: there is no Vulkan adapter (Debian: mesa-vulkan-drivers)"),
    }
    Ok(())
}
