;; A memory that one thread grows has the new size, and the new bytes, in the other.

(module $Mem (memory (export "shared") 1 3 shared))

(thread $Grower (shared (module $Mem))
  (register "mem" $Mem)
  (module
    (memory (import "mem" "shared") 1 3 shared)
    (func (export "grow") (result i32)
      (memory.grow (i32.const 1))
      (i32.atomic.store (i32.const 65536) (i32.const 7))
      (i32.atomic.store (i32.const 0) (i32.const 1)))
    (func (export "size") (result i32) (memory.size)))
  (assert_return (invoke "grow") (i32.const 1))
  (assert_return (invoke "size") (i32.const 2)))

(register "mem" $Mem)
(module
  (memory (import "mem" "shared") 1 3 shared)
  (func (export "wait") (result i32 i32)
    (loop $wait (br_if $wait (i32.eqz (i32.atomic.load (i32.const 0)))))
    (memory.size)
    (i32.atomic.load (i32.const 65536)))
  (func (export "grow") (result i32) (memory.grow (i32.const 2))))
(assert_return (invoke "wait") (i32.const 2) (i32.const 7))
(wait $Grower)
(assert_return (invoke "grow") (i32.const -1))

;; A module that wants another size or no sharing does not link.
(assert_unlinkable (module (memory (import "mem" "shared") 3 3 shared)) "incompatible import type")
(assert_unlinkable (module (memory (import "mem" "shared") 1 2 shared)) "incompatible import type")
(assert_unlinkable (module (memory (import "mem" "shared") 1 3)) "incompatible import type")
(module (memory (import "mem" "shared") 2 3 shared))

;; Waiting where nobody can come.
(module (memory 1 1) (func (export "wait") (result i32)
  (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0))))
(assert_trap (invoke "wait") "expected shared memory")
