;; Legacy exception handling: try, catch, catch_all, delegate, rethrow. Written from the text of the proposal.

(module
  (type $box (struct (field (mut i32))))
  (tag $none (export "none"))
  (tag $other)
  (tag $int (export "int") (param i32))
  (tag $all (param i32 i64 f32 f64 v128 (ref $box) externref))
  (tag $many (param i64 (ref $box) i64 i64 (ref $box) i64 i64 i64 i64 f64 f64 (ref null $box) i32 i32 i64 i64))
  (tag $box (param (ref null $box)))

  (func $throw-none (export "throw-none") (throw $none))
  (func $throw-int (export "throw-int") (param i32) (throw $int (local.get 0)))
  (func $throw-if (param i32)
    (if (local.get 0) (then (throw $none))))
  (func $new (param i32) (result (ref $box)) (struct.new $box (local.get 0)))
  (func $churn (param i32)
    (loop $again
      (drop (call $new (local.get 0)))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get 0) (i32.const 0)))))

  ;; The value of the body, of a catch, of the catch_all; the first catch that fits counts.
  (func (export "which") (param i32) (result i32)
    try (result i32)
      (block $c (block $b (block $a (br_table $a $b $c (local.get 0)))
          (throw $none))
        (throw $int (i32.const 20)))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $other)))
      (i32.const 7)
    catch $int
    catch $none
      (i32.const 1)
    catch $int
      (drop)
      (i32.const 99)
    catch_all
      (i32.const 3)
    end)

  ;; A payload of each type, one at a time.
  (func $throw-all (param externref)
    (throw $all (i32.const -1) (i64.const 0x1234567890) (f32.const 1.5) (f64.const -2.5)
      (v128.const i64x2 7 9) (struct.new $box (i32.const 77)) (local.get 0)))
  (func (export "all-types") (param externref)
    (result i32 i64 f32 f64 i64 i32 externref)
    (local $b (ref null $box)) (local $e externref) (local $v v128)
    try (result i32 i64 f32 f64)
      (call $throw-all (local.get 0))
      (unreachable)
    catch $all
      (local.set $e)
      (local.set $b)
      (local.set $v)
      (call $churn (i32.const 5))
    end
    (i64.add (i64x2.extract_lane 0 (local.get $v)) (i64x2.extract_lane 1 (local.get $v)))
    (struct.get $box 0 (local.get $b))
    (local.get $e))

  ;; More payload than registers, references among it; it stays on the operand stack across collections.
  (func $throw-many (param i64)
    (throw $many
      (local.get 0) (call $new (i32.const 2)) (i64.const 3) (i64.const 4) (call $new (i32.const 5))
      (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (f64.const 10) (f64.const 11) (ref.null $box)
      (i32.const 13) (i32.const 14) (i64.const 15) (i64.const 16)))
  (func (export "many") (param i64) (result i64)
    (local $sum i64) (local $b (ref null $box)) (local $f f64)
    try
      (call $throw-many (local.get 0))
    catch $many
      (call $churn (i32.const 3))
      (local.set $sum (i64.add (i64.mul (i64.const 3))))
      (local.set $sum (i64.add (i64.extend_i32_s) (local.get $sum)))
      (local.set $sum (i64.sub (i64.mul (i64.extend_i32_s) (i64.const -1)) (i64.mul (local.get $sum) (i64.const -1))))
      (if (ref.is_null) (then) (else (unreachable)))
      (local.set $f)
      (if (f64.ne (f64.const 10)) (then (unreachable)))
      (local.set $sum (i64.add (local.get $sum) (i64.trunc_f64_s (local.get $f))))
      (call $churn (i32.const 3))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $b)
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (struct.get $box 0 (local.get $b)))))
      (local.set $sum (i64.add (i64.extend_i32_u (struct.get $box 0)) (local.get $sum)))
      (local.set $sum (i64.add (local.get $sum)))
    end
    (local.get $sum))

  ;; Locals of all kinds that change between the entry and the throwing call.
  (func (export "locals") (param $p i32) (result i64)
    (local $i i32) (local $l i64) (local $f f32) (local $d f64) (local $v v128) (local $b (ref null $box))
    (local $c i32)
    (local.set $b (call $new (i32.const 1000)))
    try
      (local.set $i (i32.add (local.get $p) (i32.const 1)))
      (local.set $l (i64.extend_i32_s (i32.add (local.get $p) (i32.const 2))))
      (local.set $f (f32.convert_i32_s (i32.add (local.get $p) (i32.const 3))))
      (local.set $d (f64.convert_i32_s (i32.add (local.get $p) (i32.const 4))))
      (local.set $v (i32x4.splat (i32.add (local.get $p) (i32.const 5))))
      (local.set $b (call $new (i32.add (local.get $p) (i32.const 6))))
      (local.set $c (i32.const 7))
      (call $throw-if (local.get $p))
      (local.set $c (i32.const 8))
      (local.set $i (i32.const 0))
    catch $none
      (call $churn (i32.const 4))
      (local.set $c (i32.add (local.get $c) (i32.const 100)))
    end
    (i64.add (local.get $l)
      (i64.add (i64.trunc_f32_s (local.get $f))
        (i64.add (i64.trunc_f64_s (local.get $d))
          (i64.extend_i32_s
            (i32.add (i32.add (local.get $i) (i32x4.extract_lane 3 (local.get $v)))
              (i32.add (struct.get $box 0 (local.get $b)) (local.get $c))))))))

  ;; Operands below the try, references too; block parameters.
  (func (export "below") (param i32) (result i32)
    (local $r i32)
    (call $new (i32.const 40000))
    (i32.const 2000)
    (local.get 0)
    (call $new (i32.const 300))
    (i32.const 10) (i32.const 4)
    try (param i32 i32) (result i32)
      (i32.add)
      (call $throw-if (local.get 0))
      (local.set 0 (i32.const 5))
    catch_all
      (call $churn (i32.const 3))
      (i32.const 50)
    end
    (local.set $r)
    (i32.add (struct.get $box 0) (local.get $r))
    (i32.add)
    (i32.add)
    (local.set $r)
    (i32.add (struct.get $box 0) (local.get $r)))

  ;; Nested tries; the inner one catches only what fits.
  (func (export "nested") (param i32) (result i32)
    try (result i32)
      try (result i32)
        try (result i32)
          (call $throw-int (local.get 0))
          (i32.const 1)
        catch $none
          (i32.const 2)
        end
        (drop)
        (i32.const 3)
      catch $other
        (i32.const 4)
      catch $none
        (i32.const 5)
      end
      (drop)
      (i32.const 6)
    catch $int
      (i32.mul (i32.const 2))
    end)

  ;; Leaving bodies and catches by branches, with values.
  (func (export "leave") (param i32) (result i32)
    (block $out (result i32)
      (block $mid (result i32)
        try (result i32)
          (br_if $out (i32.const 10) (i32.eq (local.get 0) (i32.const 0)))
          (drop)
          (if (i32.eq (local.get 0) (i32.const 1)) (then (br $mid (i32.const 20))))
          (throw $int (local.get 0))
        catch $int
          (br_table $mid $mid $mid $mid $out 3 (i32.const 30) (local.get 0))
        catch_all
          (unreachable)
        end
        (i32.add (i32.const 1)))
      (i32.add (i32.const 100))))
  (func (export "return-from-catch") (param i32) (result i32)
    (i32.const 5)
    try (result i32)
      (call $throw-int (local.get 0))
      (i32.const 1)
    catch $int
      (return)
    end
    (i32.add))
  (func (export "branch-to-own-label") (param i32) (result i32)
    try $t (result i32)
      (br_if $t (i32.const 1) (local.get 0))
      (drop)
      (call $throw-none)
      (i32.const 2)
    catch $none
      (br_if $t (i32.const 3) (i32.eqz (local.get 0)))
    end)

  ;; rethrow: the same exception, also after collections, also from inside of an inner catch.
  (func $rethrow (export "rethrow") (param i32) (result i32)
    try (result i32)
      (throw $box (call $new (local.get 0)))
    catch $box
      (drop)
      (call $churn (i32.const 10))
      (rethrow 0)
    end)
  (func (export "catch-rethrown") (param i32) (result i32)
    try (result i32)
      (call $rethrow (local.get 0))
    catch $box
      (struct.get $box 0)
    end)
  (func (export "rethrow-which") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (throw $int (i32.const 1))
      catch $int
        (drop)
        try (result i32)
          (throw $box (call $new (i32.const 2)))
        catch_all
          (call $churn (i32.const 6))
          (block
            (loop
              (br_if 1 (i32.eqz (local.get 0)))
              (call $churn (i32.const 2))
              (rethrow 3)))
          (rethrow 0)
        end
      end
    catch $int
      (i32.add (i32.const 10))
    catch $box
      (i32.add (struct.get $box 0) (i32.const 20))
    end)
  (func (export "rethrow-caught-inside") (param i32) (result i32)
    try (result i32)
      (throw $int (i32.const 8))
    catch $int
      try (result i32)
        (if (local.get 0) (then (rethrow 2)))
        (i32.const 1)
      catch $int
        (i32.mul (i32.const 10))
      end
      (i32.add)
    end)
  ;; The exception below the operands of a catch whose value goes to the label, with another below that.
  (func (export "deep") (result i32)
    (i32.const 1)
    try (result i32)
      (throw $int (i32.const 2))
    catch $int
      (call $new (i32.const 4))
      try (param i32 (ref $box)) (result i32)
        (drop) (drop)
        (throw $int (i32.const 8))
      catch $int
        try (result i32)
          (throw $int (i32.const 16))
        catch $int
          (call $churn (i32.const 4))
        end
        (i32.add)
      end
    end
    (i32.add))

  ;; delegate: to a try, to a block in it, to a loop, into a catch, to the caller.
  (func (export "delegate-to-try") (param i32) (result i32)
    try $t (result i32)
      try (result i32)
        try (result i32)
          (call $throw-if (local.get 0))
          (i32.const 1)
        delegate $t
      catch_all
        (unreachable)
      end
    catch $none
      (i32.const 2)
    end)
  (func (export "delegate-to-block") (result i32)
    try (result i32)
      (block $b
        try
          (loop
            try
              (call $throw-none)
            delegate $b)
        catch_all
          (unreachable)
        end)
      (i32.const 1)
    catch $none
      (i32.const 2)
    end)
  (func (export "delegate-to-loop") (result i32)
    (local $n i32)
    try (result i32)
      (loop $l
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        try
          try
            (call $throw-if (i32.eq (local.get $n) (i32.const 5)))
          delegate $l
        catch_all
          (unreachable)
        end
        (br $l))
      (unreachable)
    catch $none
      (local.get $n)
    end)
  (func (export "delegate-into-catch") (result i32)
    try (result i32)
      try $t (result i32)
        (throw $int (i32.const 4))
      catch $int
        (drop)
        try (result i32)
          (throw $none)
        delegate $t
      catch_all
        (unreachable)
      end
    catch $none
      (i32.const 3)
    end)
  (func $delegate-out
    try
      try
        (call $throw-none)
      delegate 1
    catch_all
      (unreachable)
    end)
  (func (export "delegate-to-caller") (result i32)
    try (result i32)
      (call $delegate-out)
      (i32.const 0)
    catch $none
      (i32.const 1)
    end)
  ;; An inner pad that hands on to the pad of a delegating try.
  (func (export "delegate-of-uncaught") (result i32)
    try $t (result i32)
      try (result i32)
        try (result i32)
          try (result i32)
            (call $throw-int (i32.const 21))
            (i32.const 0)
          catch $none
            (i32.const 1)
          end
        delegate $t
      catch_all
        (unreachable)
      end
    catch $int
    end)
  (func $delegate-uncaught-out
    try
      try
        try
          (call $throw-int (i32.const 33))
        catch $none
        end
      delegate 1
    catch_all
      (unreachable)
    end)
  (func (export "delegate-of-uncaught-to-caller") (result i32)
    try (result i32)
      (call $delegate-uncaught-out)
      (i32.const 0)
    catch $int
    end)

  ;; A try without handlers, alone and around an inner one.
  (func (export "bare") (param i32) (result i32)
    try (result i32)
      try (result i32)
        try (result i32)
          (call $throw-if (local.get 0))
          (i32.const 1)
        catch $int
        end
      end
    catch $none
      (i32.const 2)
    end)
  (func (export "bare-alone") (param i32) (result i32)
    try (result i32)
      (call $throw-if (local.get 0))
      (i32.const 1)
    end)

  ;; Dead code behind throw and rethrow, and a try in dead code.
  (func (export "dead") (result i32)
    try (result i32)
      (throw $int (i32.const 9))
      (drop)
      (i32.add)
      try (result f32)
        (unreachable)
      catch_all
        (rethrow 0)
      end
      (drop)
      (drop)
      (i32.const 1)
    catch $int
      (br 0)
      (throw $none)
      (rethrow 0)
      (drop)
    catch_all
      (rethrow 0)
      (i32.const 4)
    end
    (return)
    try
      (call $throw-none)
    catch $none
    end
    try
      (nop)
    delegate 0
    (i32.const 8))

  ;; Loops: a try in a loop, a loop in a try, state carried around.
  (func (export "loop-of-tries") (param $n i32) (result i32)
    (local $i i32) (local $caught i32) (local $b (ref null $box))
    (local.set $b (call $new (i32.const 0)))
    (loop $l
      (if (i32.lt_s (local.get $i) (local.get $n))
        (then
          try
            (call $throw-if (i32.and (local.get $i) (i32.const 1)))
            (struct.set $box 0 (local.get $b)
              (i32.add (struct.get $box 0 (local.get $b)) (i32.const 1)))
          catch $none
            (local.set $caught (i32.add (local.get $caught) (i32.const 100)))
            (local.set $b (call $new (struct.get $box 0 (local.get $b))))
          end
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $l))))
    (i32.add (local.get $caught) (struct.get $box 0 (local.get $b))))
  (func (export "try-of-loop") (param $n i32) (result i32)
    (local $i i32) (local $sum i32)
    try
      (loop $l
        (loop $inner
          (local.set $sum (i32.add (local.get $sum) (local.get $i)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $inner (i32.and (local.get $i) (i32.const 3))))
        (call $throw-if (i32.ge_s (local.get $i) (local.get $n)))
        (br $l))
    catch_all
      (loop $l
        (local.set $sum (i32.add (local.get $sum) (i32.const 1000)))
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (br_if $l (i32.gt_s (local.get $i) (i32.const 0))))
    end
    (local.get $sum))
  (func (export "catch-to-loop") (result i32)
    (local $n i32)
    (loop $l (result i32)
      try (result i32)
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (call $throw-int (local.get $n))
        (unreachable)
      catch $int
        (br_if $l (i32.lt_s (i32.const 10)))
        (br_if $l (i32.lt_s (local.get $n) (i32.const 12)))
        (local.get $n)
      end))

  ;; Together with try_table: either catches what the other throws on.
  (func (export "table-in-try") (param i32) (result i32)
    try (result i32)
      (block $h (result exnref)
        (try_table (catch_ref $none $h)
          (call $throw-int (local.get 0)))
        (unreachable))
      (drop)
      (i32.const 1)
    catch $int
    end)
  (func (export "try-in-table") (param i32) (result i32)
    (block $h (result i32)
      (try_table (result i32) (catch $int $h)
        try (result i32)
          (call $throw-int (local.get 0))
          (i32.const 0)
        catch $int
          (drop)
          (call $churn (i32.const 3))
          (rethrow 0)
        end)
      (i32.add (i32.const 1000))))
  (func (export "throw-ref-in-try") (result i32)
    (local $e exnref)
    (block $h (result exnref)
      (try_table (catch_all_ref $h)
        (throw $box (call $new (i32.const 17))))
      (unreachable))
    (local.set $e)
    (call $churn (i32.const 5))
    try (result i32)
      (throw_ref (local.get $e))
    catch $box
      (struct.get $box 0)
    end)
  (func (export "delegate-to-table") (result i32)
    (block $h (result i32)
      (try_table $t (result i32) (catch $int $h)
        try (result i32)
          try (result i32)
            (call $throw-int (i32.const 6))
            (i32.const 0)
          delegate $t
        catch_all
          (unreachable)
        end)
      (i32.add (i32.const 1000))))

  ;; Several results, all kinds, from body and catches.
  (func (export "results") (param i32) (result i32 f64 i64 v128)
    try (result i32 f64 i64 v128)
      (call $throw-if (local.get 0))
      (i32.const 1) (f64.const 2) (i64.const 3) (v128.const i32x4 4 4 4 4)
    catch $none
      (i32.const 5) (f64.const 6) (i64.const 7) (v128.const i32x4 8 8 8 8)
    end)

  ;; What a trap leaves uncaught.
  (func (export "trap-unreachable") try (unreachable) catch_all end)
  (func (export "trap-division") (param i32) (result i32)
    try (result i32) (i32.div_s (i32.const 1) (local.get 0)) catch_all (i32.const 9) end)
  (func (export "trap-null") (result i32)
    try (result i32) (struct.get $box 0 (ref.null $box)) catch_all (i32.const 9) end)
  (func $endless (result i32) (i32.add (call $endless) (i32.const 1)))
  (func (export "exhaustion") (result i32)
    try (result i32) (call $endless) catch_all (i32.const 9) end)

  ;; The frame of a tail call is gone.
  (func (export "tail-call")
    try (return_call $throw-none) catch_all end)
  (func $tail-in-catch (param i32) (result i32)
    try (result i32)
      (call $throw-if (local.get 0))
      (i32.const 1)
    catch_all
      (return_call $tail-in-catch (i32.const 0))
    end)
  (func (export "tail-in-catch") (result i32) (call $tail-in-catch (i32.const 1)))

  ;; Registers that callees save are restored on the way to the handler.
  (func $clobber (param i64) (result i64)
    (local $a i64) (local $b i64) (local $c i64)
    (local.set $a (i64.mul (local.get 0) (i64.const 3)))
    (local.set $b (i64.mul (local.get $a) (i64.const 5)))
    (local.set $c (i64.mul (local.get $b) (i64.const 7)))
    (loop $l
      (local.set $a (i64.add (local.get $a) (local.get $b)))
      (local.set $b (i64.add (local.get $b) (local.get $c)))
      (local.set $c (i64.add (local.get $c) (local.get $a)))
      (call $throw-if (i64.gt_s (local.get $c) (i64.const 1000)))
      (br $l))
    (unreachable))
  (func (export "saved") (param i64) (result i64)
    (local $a i64) (local $b i64) (local $c i64)
    (loop $l
      (local.set $a (i64.add (local.get $a) (local.get 0)))
      (local.set $b (i64.add (local.get $b) (local.get $a)))
      (local.set $c (i64.add (local.get $c) (local.get $b)))
      try
        (drop (call $clobber (local.get $c)))
      catch $none
        (local.set $b (i64.add (local.get $b) (i64.const 1)))
      end
      (br_if $l (i64.lt_s (local.get $a) (i64.const 10))))
    (i64.add (i64.mul (local.get $a) (i64.const 10000)) (i64.add (i64.mul (local.get $b) (i64.const 100)) (local.get $c))))
)

(assert_return (invoke "which" (i32.const 0)) (i32.const 1))
(assert_return (invoke "which" (i32.const 1)) (i32.const 20))
(assert_return (invoke "which" (i32.const 2)) (i32.const 3))
(assert_return (invoke "which" (i32.const 3)) (i32.const 7))
(assert_return (invoke "all-types" (ref.extern 5))
  (i32.const -1) (i64.const 0x1234567890) (f32.const 1.5) (f64.const -2.5) (i64.const 16) (i32.const 77)
  (ref.extern 5))
;; 15 + 3 * 16, + 14 - 13, + 11, 9 + 8 + 7 + 6, 4 + 3, 5 + 2, and the first.
(assert_return (invoke "many" (i64.const 1)) (i64.const 120))
;; i + l + f + d + v + b + c of the throw: 2 + 3 + 4 + 5 + 6 + 7 + 107.
(assert_return (invoke "locals" (i32.const 1)) (i64.const 134))
(assert_return (invoke "locals" (i32.const 0)) (i64.const 28))
(assert_return (invoke "below" (i32.const 0)) (i32.const 42314))
(assert_return (invoke "below" (i32.const 1)) (i32.const 42351))
(assert_return (invoke "nested" (i32.const 21)) (i32.const 42))
(assert_return (invoke "leave" (i32.const 0)) (i32.const 10))
(assert_return (invoke "leave" (i32.const 1)) (i32.const 120))
(assert_return (invoke "leave" (i32.const 2)) (i32.const 130))
(assert_return (invoke "leave" (i32.const 4)) (i32.const 30))
(assert_return (invoke "leave" (i32.const 5)) (i32.const 30))
(assert_return (invoke "return-from-catch" (i32.const 3)) (i32.const 3))
(assert_return (invoke "branch-to-own-label" (i32.const 1)) (i32.const 1))
(assert_return (invoke "branch-to-own-label" (i32.const 0)) (i32.const 3))
(assert_exception (invoke "rethrow" (i32.const 1)))
(assert_return (invoke "catch-rethrown" (i32.const 31)) (i32.const 31))
(assert_return (invoke "rethrow-which" (i32.const 0)) (i32.const 22))
(assert_return (invoke "rethrow-which" (i32.const 1)) (i32.const 11))
(assert_return (invoke "rethrow-caught-inside" (i32.const 0)) (i32.const 9))
(assert_return (invoke "rethrow-caught-inside" (i32.const 1)) (i32.const 88))
(assert_return (invoke "deep") (i32.const 25))
(assert_return (invoke "delegate-to-try" (i32.const 0)) (i32.const 1))
(assert_return (invoke "delegate-to-try" (i32.const 1)) (i32.const 2))
(assert_return (invoke "delegate-to-block") (i32.const 2))
(assert_return (invoke "delegate-to-loop") (i32.const 5))
(assert_return (invoke "delegate-into-catch") (i32.const 3))
(assert_return (invoke "delegate-to-caller") (i32.const 1))
(assert_return (invoke "delegate-of-uncaught") (i32.const 21))
(assert_return (invoke "delegate-of-uncaught-to-caller") (i32.const 33))
(assert_return (invoke "bare" (i32.const 0)) (i32.const 1))
(assert_return (invoke "bare" (i32.const 1)) (i32.const 2))
(assert_return (invoke "bare-alone" (i32.const 0)) (i32.const 1))
(assert_exception (invoke "bare-alone" (i32.const 1)))
(assert_return (invoke "dead") (i32.const 9))
(assert_return (invoke "loop-of-tries" (i32.const 7)) (i32.const 304))
;; 0 + 1 + … + 11, and a thousand for each of twelve rounds.
(assert_return (invoke "try-of-loop" (i32.const 10)) (i32.const 12066))
(assert_return (invoke "catch-to-loop") (i32.const 12))
(assert_return (invoke "table-in-try" (i32.const 15)) (i32.const 15))
(assert_return (invoke "try-in-table" (i32.const 16)) (i32.const 16))
(assert_return (invoke "throw-ref-in-try") (i32.const 17))
(assert_return (invoke "delegate-to-table") (i32.const 6))
(assert_return (invoke "results" (i32.const 0)) (i32.const 1) (f64.const 2) (i64.const 3) (v128.const i32x4 4 4 4 4))
(assert_return (invoke "results" (i32.const 1)) (i32.const 5) (f64.const 6) (i64.const 7) (v128.const i32x4 8 8 8 8))
(assert_trap (invoke "trap-unreachable") "unreachable")
(assert_trap (invoke "trap-division" (i32.const 0)) "integer divide by zero")
(assert_return (invoke "trap-division" (i32.const 1)) (i32.const 1))
(assert_trap (invoke "trap-null") "null structure reference")
(assert_exhaustion (invoke "exhaustion") "call stack exhausted")
(assert_exception (invoke "tail-call"))
(assert_return (invoke "tail-in-catch") (i32.const 1))
;; Rounds: a 4 8 12, b 4 13 26, c 4 17 43, and one more in b.
(assert_return (invoke "saved" (i64.const 4)) (i64.const 122743))

(register "thrower")

;; Tags and exceptions of another instance; the same tag under two names.
(module
  (tag $none (import "thrower" "none"))
  (tag $again (import "thrower" "none"))
  (tag $int (import "thrower" "int") (param i32))
  (tag $own)
  (func $throw-none (import "thrower" "throw-none"))
  (func $throw-int (import "thrower" "throw-int") (param i32))
  (func (export "imported") (param i32) (result i32)
    try (result i32)
      (call $throw-int (local.get 0))
      (i32.const 0)
    catch $own
      (i32.const 1)
    catch $int
    end)
  (func (export "own-is-another") (result i32)
    try (result i32)
      try (result i32)
        (call $throw-none)
        (i32.const 0)
      catch $own
        (i32.const 1)
      end
    catch_all
      (i32.const 2)
    end)
  (func (export "same-tag") (result i32)
    try (result i32)
      (throw $none)
    catch $again
      (i32.const 1)
    catch $none
      (i32.const 2)
    end))
(assert_return (invoke "imported" (i32.const 12)) (i32.const 12))
(assert_return (invoke "own-is-another") (i32.const 2))
(assert_return (invoke "same-tag") (i32.const 1))

;; What does not validate.
(assert_invalid (module (func rethrow 0)) "invalid rethrow label")
(assert_invalid (module (func block try rethrow 0 catch_all end end)) "invalid rethrow label")
(assert_invalid (module (func try delegate 1)) "unknown label")
(assert_invalid (module (tag (param i32)) (func try catch 0 end)) "type mismatch")
(assert_invalid (module (func (result i32) try (result i32) (i32.const 1) catch_all end)) "type mismatch")
(assert_invalid (module (func try catch 0 end)) "unknown tag")
