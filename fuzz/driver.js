// Programs in V8: what the host sees of them, line by line. `src/run.rs` does the same in Heapwood.
//
// Reads a file of programs, one JSON object a line, and writes `seed N` before each, its lines, then `done`.
'use strict';
const fs = require('fs');
const OBJECTS = 8;
const objects = Array.from({ length: OBJECTS }, (_, number) => ({ number }));
const view = new DataView(new ArrayBuffer(8));

function f32Bits(value) {
    view.setFloat32(0, value);
    return view.getUint32(0);
}

function f64Bits(value) {
    view.setFloat64(0, value);
    return view.getBigUint64(0);
}

// What a trap is called in both engines.
function trapClass(message) {
    const rows = [
        [/^unreachable/, 'unreachable'],
        [/^(divide|remainder) by zero/, 'divide by zero'],
        [/^(divide result unrepresentable|float unrepresentable)/, 'unrepresentable'],
        [/^(memory access out of bounds|data segment out of bounds)/, 'memory bounds'],
        [/^(data segment|.*data segment.*)/, 'memory bounds'],
        [/^(table index is out of bounds|table access out of bounds|element segment out of bounds|.*element segment.*|.*table.*bounds)/, 'table bounds'],
        [/signature mismatch/, 'signature'],
        [/^(rethrowing null|.*null exception|.*exnref.*null)/, 'null exception'],
        [/^dereferencing a null pointer/, 'null'],
        [/^array element access out of bounds/, 'array bounds'],
        [/^illegal cast/, 'cast'],
        [/^requested new array is too large/, 'array too large'],
        [/Atomics.wait/, 'expected shared memory'],
        [/^operation does not support unaligned accesses/, 'unaligned'],
    ];
    const row = rows.find(([pattern]) => pattern.test(message));
    return row ? row[1] : `? ${message}`;
}

// A reference of the hierarchies of any or extern.
function reference(value) {
    if (value === null || value === undefined) return 'null';
    if (typeof value === 'number') return `i31:${value}`;
    if (typeof value === 'object' && Object.hasOwn(value, 'number')) return `host:${value.number}`;
    return 'object';
}

function describe(value, type) {
    switch (type) {
        case 'i': return String(value);
        case 'l': return String(value);
        case 'f': return Number.isNaN(value) ? 'nan' : `f${f32Bits(value)}`;
        case 'd': return Number.isNaN(value) ? 'nan' : `d${f64Bits(value)}`;
        case 'v': return 'v128';
        case 'n': return value === null ? 'null' : 'func';
        default: return reference(value);
    }
}

function argument([type, value]) {
    switch (type) {
        case 'l': return BigInt(value);
        case 'f': view.setUint32(0, value); return view.getFloat32(0);
        case 'd': view.setBigUint64(0, BigInt(value)); return view.getFloat64(0);
        case 'e': return value === null ? null : objects[value];
        default: return value;
    }
}

function asNumber(value, type) {
    switch (type) {
        case 'i': return value;
        case 'l': return Number(BigInt.asIntN(32, value)) ^ Number(BigInt.asIntN(32, value >> 32n));
        case 'f': return Number.isNaN(value) ? 5 : f32Bits(value);
        case 'd': {
            if (Number.isNaN(value)) return 6;
            const bits = f64Bits(value);
            return Number(bits & 0xffffffffn) ^ Number(bits >> 32n);
        }
        case 'a': case 'e':
            if (value === null) return 3;
            if (typeof value === 'number') return value;
            if (typeof value === 'object' && Object.hasOwn(value, 'number')) return value.number + 1000;
            return 7;
        default: return 3;
    }
}

function mix(args, types) {
    let sum = 17;
    for (let index = 0; index < types.length; index++) {
        sum = (Math.imul(sum, 31) + asNumber(args[index], types[index])) >>> 0;
    }
    return sum;
}

function result(args, params, type, sum) {
    switch (type) {
        case 'i': return sum | 0;
        case 'l': return BigInt.asIntN(64, BigInt(sum) * 0x100000001n);
        case 'f': return sum & 0xffff;
        case 'd': return sum * 0.5;
        case 'e': return sum % 4 === 0 ? null : objects[sum % OBJECTS];
        default: {
            const echo = params.indexOf('a');
            return echo >= 0 && sum % 4 !== 1 ? args[echo] : sum & 0xff;
        }
    }
}

class Limit extends Error {}

function run(program, out) {
    const instances = [];
    const tags = [];
    const hostTag = new WebAssembly.Tag({ parameters: ['i32'] });
    // Tag, name and payload types of an exception.
    const known = (exception) => {
        if (exception.is(hostTag)) return ['host', ['i'], hostTag];
        const found = tags.find(([, , tag]) => exception.is(tag));
        return found || ['?', [], null];
    };
    const payload = (exception) => {
        const [name, types, tag] = known(exception);
        const value = (type, index) => type === 'v' || type === 'x' ? null : exception.getArg(tag, index);
        return [name, types, types.map(value)];
    };
    const h = {
        tag: hostTag,
        gc() {},
        throw(value) { throw new WebAssembly.Exception(hostTag, [value]); },
    };
    program.host.forEach(([params, results], index) => {
        h[`f${index}`] = (...args) => {
            const sum = mix(args, params);
            const values = results.map((type, number) => result(args, params, type, (sum + number) >>> 0));
            return results.length === 0 ? undefined : results.length === 1 ? values[0] : values;
        };
    });
    const callback = (index, value) => index < instances.length ? instances[index].exports.callback(value) : 0;
    for (let index = 0; index < program.modules.length + 2; index++) {
        h[`reenter${index}`] = (value) => callback(index, value);
        h[`guarded${index}`] = (value) => {
            try {
                return callback(index, value);
            } catch (error) {
                if (error instanceof WebAssembly.Exception) {
                    const [, types, values] = payload(error);
                    return mix(values, types) | 0;
                }
                if (error instanceof WebAssembly.RuntimeError) return -1;
                throw error;
            }
        };
    }
    const end = (error) => {
        if (error instanceof WebAssembly.Exception) {
            const [name, types, values] = payload(error);
            return `threw ${name} ${types.map((type, index) => describe(values[index], type)).join(' ')}`;
        }
        if (error instanceof WebAssembly.RuntimeError) return `trapped: ${trapClass(error.message)}`;
        if (error instanceof RangeError) return 'trapped: limit';
        return `failed: ${error}`;
    };
    const imports = { h };
    let modules;
    try {
        modules = program.modules.map((text) => new WebAssembly.Module(Buffer.from(text, 'base64')));
    } catch (error) {
        out.push(`refused: ${error.message}`);
        return;
    }
    for (const [index, spec] of program.instances.entries()) {
        try {
            const instance = new WebAssembly.Instance(modules[spec.module], imports);
            instances.push(instance);
            imports[`m${index}`] = instance.exports;
            spec.tags.forEach(([name, types]) => tags.push([`${index}.${name}`, types, instance.exports[name]]));
        } catch (error) {
            out.push(`instance ${index}: ${end(error)}`);
            return;
        }
    }
    for (const [index, call] of program.calls.entries()) {
        let text;
        try {
            const value = instances[call.instance].exports[call.export](...call.args.map(argument));
            const values = call.results.length === 1 ? [value] : call.results.length === 0 ? [] : [...value];
            text = `returned ${values.map((value, number) => describe(value, call.results[number])).join(' ')}`;
        } catch (error) {
            text = end(error);
        }
        out.push(`call ${index} ${call.instance}.${call.export}: ${text}`);
        if (text === 'trapped: limit') return;
    }
    for (const [index, spec] of program.instances.entries()) {
        for (const [name, kind, type] of spec.observed) {
            out.push(`end ${index}.${name}: ${contents(instances[index].exports[name], kind, type)}`);
        }
    }
}

function contents(item, kind, type) {
    if (kind === 'memory') {
        const words = new Int32Array(item.buffer);
        let hash = 0x811c9dc5 | 0;
        for (let index = 0; index < words.length; index++) {
            hash = Math.imul(hash ^ words[index], 0x01000193);
            hash = hash << 5 | hash >>> 27;
        }
        return `${item.buffer.byteLength} bytes ${hash >>> 0}`;
    }
    if (kind === 'table') {
        const wide = typeof item.length === 'bigint';
        const size = Number(item.length);
        let text = `${size} `;
        for (let index = 0; index < size; index++) text += item.get(wide ? BigInt(index) : index) === null ? '-' : 'x';
        return text;
    }
    return describe(item.value, type);
}

const programs = fs.readFileSync(process.argv[2], 'latin1').split('\n').filter((line) => line.length > 0);
let count = 0;
for (const line of programs) {
    const program = JSON.parse(line);
    const out = [];
    fs.writeSync(1, `seed ${program.seed}\n`);
    run(program, out);
    fs.writeSync(1, out.map((text) => `${text}\n`).join('') + 'done\n');
    if (++count % 50 === 0 && global.gc) global.gc();
}
