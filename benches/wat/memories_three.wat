;; stresses: a loop that reads and writes three memories in one body; n = rounds over 4096 words
;; twin: memories_one.wat, with the same loop and so the same result
(module
  (memory $a 1) (memory $b 1) (memory $c 1)
  (func $round (param $seed i32) (local $i i32)
    (loop $l
      (i32.store $c (local.get $i)
        (i32.add (i32.load $c (local.get $i))
          (i32.xor (i32.load $a (local.get $i)) (i32.load $b (local.get $i)))))
      (i32.store $a (local.get $i) (i32.add (i32.load $a (local.get $i)) (local.get $seed)))
      (i32.store $b (local.get $i) (i32.mul (local.get $i) (local.get $seed)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 16384)))))
  (func $sum (result i32) (local $i i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load $c (local.get $i))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 16384))))
    (local.get $sum))
  (func (export "run") (param $n i32) (result i64)
    (memory.fill $a (i32.const 0) (i32.const 0) (i32.const 16384))
    (memory.fill $b (i32.const 0) (i32.const 0) (i32.const 16384))
    (memory.fill $c (i32.const 0) (i32.const 0) (i32.const 16384))
    (loop $l
      (call $round (local.get $n))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (call $sum))))
