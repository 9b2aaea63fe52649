;; Exits with 7.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 7)))
  ;; For an entry point with a function.
  (func (export "answer") (result i32) (i32.const 42)))
