;; What is written before a flag is set is there for whoever sees the flag, round after round.

(module $Mem (memory (export "shared") 1 1 shared))

(thread $Writer (shared (module $Mem))
  (register "mem" $Mem)
  (module
    (memory (import "mem" "shared") 1 1 shared)
    (func (export "run") (local $k i32)
      (loop $next
        (local.set $k (i32.add (local.get $k) (i32.const 1)))
        (i64.store (i32.const 64) (i64.mul (i64.extend_i32_u (local.get $k)) (i64.const 0x100000001)))
        (i32.atomic.store (i32.const 0) (local.get $k))
        (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
        ;; Until the reader has answered.
        (loop $wait
          (if (i32.ne (i32.atomic.load (i32.const 128)) (local.get $k))
            (then
              (drop (memory.atomic.wait32 (i32.const 128) (i32.sub (local.get $k) (i32.const 1)) (i64.const -1)))
              (br $wait))))
        (br_if $next (i32.lt_u (local.get $k) (i32.const 500))))))
  (assert_return (invoke "run")))

(register "mem" $Mem)
(module
  (memory (import "mem" "shared") 1 1 shared)
  (func (export "run") (result i64) (local $k i32) (local $sum i64)
    (loop $next
      (loop $wait
        (if (i32.eq (i32.atomic.load (i32.const 0)) (local.get $k))
          (then
            (drop (memory.atomic.wait32 (i32.const 0) (local.get $k) (i64.const -1)))
            (br $wait))))
      (local.set $k (i32.add (local.get $k) (i32.const 1)))
      (local.set $sum (i64.add (local.get $sum) (i64.load (i32.const 64))))
      (i32.atomic.store (i32.const 128) (local.get $k))
      (drop (memory.atomic.notify (i32.const 128) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $k) (i32.const 500))))
    (local.get $sum)))

;; 500 * 501 / 2, in both halves.
(assert_return (invoke "run") (i64.const 0x1e9420001e942))
(wait $Writer)
