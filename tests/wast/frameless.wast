;; Functions so simple that they need no frame, as a whole or up to an early exit: results, traps, allocation and barriers.

(module
  (type $t0 (sub (struct)))
  (type $t1 (sub $t0 (struct)))
  (type $t2 (sub $t1 (struct)))
  (type $t3 (sub $t2 (struct)))
  (type $t4 (sub $t3 (struct)))
  (type $t5 (sub $t4 (struct)))
  (type $t6 (sub $t5 (struct)))
  (type $t7 (sub $t6 (struct)))
  (type $t8 (sub $t7 (struct)))
  (type $t9 (sub $t8 (struct (field i32))))

  (func $other (result i32) (i32.const 0))

  ;; A test that may call the runtime is no part of an early exit.
  (func $is_deep (param $x anyref) (result i32)
    (if (ref.test (ref $t9) (local.get $x)) (then (return (i32.const 1))))
    (call $other))

  (func (export "deep") (result i32)
    (i32.add
      (call $is_deep (struct.new $t9 (i32.const 4)))
      (i32.mul (i32.const 10) (call $is_deep (struct.new $t8))))))

(assert_return (invoke "deep") (i32.const 1))

(module
  (type $pair (struct (field $a (mut (ref null $pair))) (field $b (mut i32)) (field $c (mut f64))))
  (type $refs (array (mut (ref null $pair))))
  (type $bytes (array (mut i8)))
  (type $box (struct (field $refs (mut (ref null $refs))) (field $bytes (mut (ref null $bytes)))))
  (global $kept (mut (ref null $box)) (ref.null $box))
  (global $count (mut i32) (i32.const 0))

  (func $get_a (param $p (ref null $pair)) (result (ref null $pair)) (return (struct.get $pair $a (local.get $p))))
  (func $set_a (param $p (ref null $pair)) (param $v (ref null $pair)) (struct.set $pair $a (local.get $p) (local.get $v)))
  (func $get_b (param $p (ref null $pair)) (result i32) (struct.get $pair $b (local.get $p)))
  (func $set_b (param $p (ref null $pair)) (param $v i32) (struct.set $pair $b (local.get $p) (local.get $v)))
  (func $get_c (param $p (ref null $pair)) (result f64) (f64.sqrt (struct.get $pair $c (local.get $p))))
  (func $get (param $b (ref null $box)) (param $i i32) (result (ref null $pair))
    (return (array.get $refs (struct.get $box $refs (local.get $b)) (local.get $i))))
  (func $set (param $b (ref null $box)) (param $i i32) (param $v (ref null $pair))
    (array.set $refs (struct.get $box $refs (local.get $b)) (local.get $i) (local.get $v)))
  (func $get_byte (param $b (ref null $box)) (param $i i32) (result i32)
    (array.get_u $bytes (struct.get $box $bytes (local.get $b)) (local.get $i)))
  (func $set_byte (param $b (ref null $box)) (param $i i32) (param $v i32)
    (array.set $bytes (struct.get $box $bytes (local.get $b)) (local.get $i) (local.get $v)))
  (func $pair (param $a (ref null $pair)) (param $b i32) (result (ref $pair))
    (struct.new $pair (local.get $a) (local.get $b) (f64.convert_i32_s (local.get $b))))
  (func $size (param $b (ref null $box)) (result i32) (array.len (struct.get $box $refs (local.get $b))))
  (func $kept (result (ref null $box)) (global.get $kept))
  (func $many (param i64) (param f32) (param f64) (result f64 i64 f32) (local.get 2) (local.get 0) (local.get 1))
  (func $mixed (param $x i32) (param $y i32) (result i32)
    (local $z i32)
    (local.set $z (i32.mul (local.get $x) (i32.const 3)))
    (local.set $x (i32.const 5))
    (i32.add (local.get $x) (i32.sub (local.tee $z (i32.add (local.get $z) (local.get $y))) (local.get $z))))

  ;; Variables that the early exit and what follows it read, constants among them.
  (func $count_up (param $p (ref null $pair)) (result i32)
    (local $q (ref null $pair)) (local $n i32)
    (local.set $n (i32.const 7))
    (local.set $q (struct.get $pair $a (local.get $p)))
    (if (ref.is_null (local.get $q)) (then (return (local.get $n))))
    (global.set $count (i32.add (global.get $count) (call $count_up (local.get $q))))
    (i32.add (local.get $n) (call $get_b (local.get $q))))
  (func $scale (param $x f64) (param $on i32) (result f64)
    (local $factor f64)
    (local.set $factor (f64.const 3))
    (if (i32.eqz (local.get $on)) (then (return (f64.mul (local.get $x) (local.get $factor)))))
    (drop (call $size (global.get $kept)))
    (f64.add (local.get $x) (local.get $factor)))

  (func (export "mixed") (param i32 i32) (result i32) (call $mixed (local.get 0) (local.get 1)))
  (func (export "many") (result f64 i64 f32) (call $many (i64.const 1) (f32.const 2) (f64.const 3)))
  (func (export "scale") (param f64 i32) (result f64) (call $scale (local.get 0) (local.get 1)))
  (func (export "count up") (param i32) (result i32)
    (local $p (ref null $pair))
    (loop $more
      (local.set $p (call $pair (local.get $p) (local.get 0)))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (i32.mul (call $count_up (local.get $p)) (i32.const 1000)) (global.get $count)))

  (func (export "fill") (param $n i32)
    (local $i i32) (local $p (ref null $pair))
    (global.set $kept (struct.new $box
      (array.new_default $refs (local.get $n)) (array.new_default $bytes (local.get $n))))
    (loop $next
      (local.set $p (call $pair (local.get $p) (local.get $i)))
      (call $set (call $kept) (local.get $i) (local.get $p))
      (call $set_byte (call $kept) (local.get $i) (local.get $i))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))

  ;; Turns all links around, by stores into objects of every age, and sums what is found.
  (func (export "turn") (result i64)
    (local $i i32) (local $sum i64) (local $p (ref null $pair))
    (loop $next
      (local.set $p (call $get (call $kept) (local.get $i)))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u
        (i32.add (call $get_byte (call $kept) (local.get $i)) (call $get_b (local.get $p))))))
      (call $set_a (local.get $p) (call $pair (call $get_a (local.get $p)) (i32.const 1)))
      (call $set_b (call $get_a (local.get $p)) (i32.add (call $get_b (call $get_a (local.get $p))) (local.get $i)))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $get_b (call $get_a (local.get $p))))))
      (local.set $sum (i64.add (local.get $sum) (i64.trunc_f64_s (call $get_c (local.get $p)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (call $size (call $kept)))))
    (local.get $sum))

  (func (export "null get") (result i32) (call $get_b (ref.null $pair)))
  (func (export "null set") (call $set_a (ref.null $pair) (ref.null $pair)))
  (func (export "get at") (param i32) (drop (call $get (call $kept) (local.get 0))))
  (func (export "set at") (param i32) (call $set (call $kept) (local.get 0) (ref.null $pair))))

(assert_return (invoke "mixed" (i32.const 11) (i32.const 2)) (i32.const 5))
(assert_return (invoke "many") (f64.const 3) (i64.const 1) (f32.const 2))
(assert_trap (invoke "scale" (f64.const 2) (i32.const 1)) "null structure reference")
(assert_return (invoke "scale" (f64.const 2) (i32.const 0)) (f64.const 6))
;; 1 -> 2 -> 3: 3 gives 7, 2 gives 7 + 3, 1 gives 7 + 2; the count is read before the call that changes it.
(assert_return (invoke "count up" (i32.const 3)) (i32.const 9010))
(assert_return (invoke "fill" (i32.const 1000)))
(assert_return (invoke "scale" (f64.const 2) (i32.const 1)) (f64.const 5))
;; Twice the numbers below 1000 (999,000), their low bytes (124,716), 1,000 times 1, the whole parts of their roots (20,584).
(assert_return (invoke "turn") (i64.const 1145300))
(assert_trap (invoke "null get") "null structure reference")
(assert_trap (invoke "null set") "null structure reference")
(assert_trap (invoke "get at" (i32.const 1000)) "out of bounds array access")
(assert_trap (invoke "set at" (i32.const -1)) "out of bounds array access")
