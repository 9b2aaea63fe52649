;; stresses: f32 matrix product in blocks of 4 x 4, a vector for each row of the block; n = rows (a multiple of 4)
;; scalar twin: matmul_f32_scalar.wat, with the same sums in the same order and so the same result
(module
  (memory 256)
  ;; 4 x 4 elements of C from 4 rows of A and 4 columns of B
  (func $block (param $a i32) (param $b i32) (param $c i32) (param $row i32) (param $k i32)
    (local $a1 i32) (local $a2 i32) (local $a3 i32) (local $v v128)
    (local $s0 v128) (local $s1 v128) (local $s2 v128) (local $s3 v128)
    (local.set $a1 (i32.add (local.get $a) (local.get $row)))
    (local.set $a2 (i32.add (local.get $a1) (local.get $row)))
    (local.set $a3 (i32.add (local.get $a2) (local.get $row)))
    (loop $l
      (local.set $v (v128.load (local.get $b)))
      (local.set $s0 (f32x4.add (local.get $s0) (f32x4.mul (v128.load32_splat (local.get $a)) (local.get $v))))
      (local.set $s1 (f32x4.add (local.get $s1) (f32x4.mul (v128.load32_splat (local.get $a1)) (local.get $v))))
      (local.set $s2 (f32x4.add (local.get $s2) (f32x4.mul (v128.load32_splat (local.get $a2)) (local.get $v))))
      (local.set $s3 (f32x4.add (local.get $s3) (f32x4.mul (v128.load32_splat (local.get $a3)) (local.get $v))))
      (local.set $a (i32.add (local.get $a) (i32.const 4)))
      (local.set $a1 (i32.add (local.get $a1) (i32.const 4)))
      (local.set $a2 (i32.add (local.get $a2) (i32.const 4)))
      (local.set $a3 (i32.add (local.get $a3) (i32.const 4)))
      (local.set $b (i32.add (local.get $b) (local.get $row)))
      (br_if $l (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
    (v128.store (local.get $c) (local.get $s0))
    (local.set $c (i32.add (local.get $c) (local.get $row)))
    (v128.store (local.get $c) (local.get $s1))
    (local.set $c (i32.add (local.get $c) (local.get $row)))
    (v128.store (local.get $c) (local.get $s2))
    (local.set $c (i32.add (local.get $c) (local.get $row)))
    (v128.store (local.get $c) (local.get $s3)))

  (func $fill (param $n i32) (local $x i32) (local $sz i32) (local $end i32)
    (local.set $sz (i32.shl (i32.mul (local.get $n) (local.get $n)) (i32.const 2)))
    (local.set $end (i32.mul (local.get $n) (local.get $n)))
    (loop $l
      (f32.store (i32.shl (local.get $x) (i32.const 2))
        (f32.convert_i32_s (i32.sub (i32.rem_u (i32.mul (local.get $x) (i32.const 7)) (i32.const 101)) (i32.const 50))))
      (f32.store (i32.add (local.get $sz) (i32.shl (local.get $x) (i32.const 2)))
        (f32.div (f32.convert_i32_s (i32.rem_u (i32.mul (local.get $x) (i32.const 13)) (i32.const 97))) (f32.const 16)))
      (br_if $l (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 1))) (local.get $end)))))

  ;; a hash of the bits of all elements of the product: rounding must be the same everywhere
  (func $hash (param $n i32) (result i64) (local $p i32) (local $end i32) (local $h i64)
    (local.set $p (i32.shl (i32.mul (local.get $n) (local.get $n)) (i32.const 3)))
    (local.set $end (i32.mul (local.get $p) (i32.const 3)))
    (local.set $end (i32.shr_u (local.get $end) (i32.const 1)))
    (loop $l
      (local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) (i64.load32_u (local.get $p))))
      (br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 4))) (local.get $end))))
    (local.get $h))

  (func (export "run") (param $n i32) (result i64)
    (local $i i32) (local $j i32) (local $row i32) (local $sz i32)
    (local.set $row (i32.shl (local.get $n) (i32.const 2)))
    (local.set $sz (i32.mul (local.get $row) (local.get $n)))
    (call $fill (local.get $n))
    (loop $li
      (local.set $j (i32.const 0))
      (loop $lj
        (call $block
          (i32.mul (local.get $i) (local.get $row))
          (i32.add (local.get $sz) (i32.shl (local.get $j) (i32.const 2)))
          (i32.add (i32.shl (local.get $sz) (i32.const 1))
            (i32.add (i32.mul (local.get $i) (local.get $row)) (i32.shl (local.get $j) (i32.const 2))))
          (local.get $row)
          (local.get $n))
        (br_if $lj (i32.lt_s (local.tee $j (i32.add (local.get $j) (i32.const 4))) (local.get $n))))
      (br_if $li (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))))
    (call $hash (local.get $n))))
