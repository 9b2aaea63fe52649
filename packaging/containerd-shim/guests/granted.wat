;; Prints the names of the directories that it is given, a line each, then its environment, with a zero byte behind each
;; variable.
(module
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; Writes the bytes from 4,096 on.
  (func $say (param $length i32)
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start") (local $fd i32) (local $length i32)
    (local.set $fd (i32.const 3))
    (block $no_more
      (loop $more
        (br_if $no_more (call $prestat (local.get $fd) (i32.const 16)))
        (local.set $length (i32.load (i32.const 20)))
        (drop (call $name (local.get $fd) (i32.const 4096) (local.get $length)))
        (i32.store8 (i32.add (i32.const 4096) (local.get $length)) (i32.const 10))
        (call $say (i32.add (local.get $length) (i32.const 1)))
        (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
        (br $more)))
    (drop (call $sizes (i32.const 16) (i32.const 20)))
    (drop (call $environ (i32.const 1024) (i32.const 4096)))
    (call $say (i32.load (i32.const 20)))))
