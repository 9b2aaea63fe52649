//! A program that has a bit of everything the collector has to see.

/// `run(n)`: a list of n nodes that is rewired all the time, with a table, a large array, exceptions and deep frames.
/// Returns a sum that depends on all of it; `check` says whether everything is as `run` left it.
pub const GUEST: &str = r#"(module
    (type $n (struct (field (mut (ref null $n))) (field (mut i64)) (field (mut anyref))))
    (type $refs (array (mut (ref null $n))))
    (tag $e (param (ref null $n)))
    (global $list (mut (ref null $n)) (ref.null $n))
    (global $array (mut (ref null $refs)) (ref.null $refs))
    (table $t 64 anyref)
    (func $sum (param $n (ref null $n)) (result i64) (local $s i64)
      (block $end (loop $l
        (br_if $end (ref.is_null (local.get $n)))
        (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 3)) (struct.get $n 1 (local.get $n))))
        (local.set $n (struct.get $n 0 (local.get $n)))
        (br $l)))
      (local.get $s))
    (func $deep (param $d i32) (param $v (ref null $n)) (result (ref null $n))
      (local $mine (ref null $n))
      (local.set $mine (struct.new $n (local.get $v) (i64.extend_i32_u (local.get $d)) (ref.null any)))
      (if (i32.eqz (local.get $d)) (then (throw $e (local.get $mine))))
      (drop (call $deep (i32.sub (local.get $d) (i32.const 1)) (local.get $mine)))
      (local.get $mine))
    (func (export "run") (param $n i32) (result i64) (local $i i32) (local $node (ref null $n)) (local $v (ref null $n))
      (global.set $list (ref.null $n))
      (global.set $array (array.new $refs (ref.null $n) (i32.const 20000)))
      (loop $l
        (local.set $node (struct.new $n (global.get $list) (i64.extend_i32_u (local.get $i))
          (array.new $refs (global.get $list) (i32.and (local.get $i) (i32.const 63)))))
        (global.set $list (local.get $node))
        (array.set $refs (global.get $array) (i32.rem_u (i32.mul (local.get $i) (i32.const 977)) (i32.const 20000)) (local.get $node))
        (table.set $t (i32.and (local.get $i) (i32.const 63)) (local.get $node))
        (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 64)))
          (then
            (local.set $v (block $h (result (ref null $n))
              (drop (try_table (result (ref null $n)) (catch $e $h) (call $deep (i32.const 50) (local.get $node))))
              (ref.null $n)))
            (struct.set $n 2 (local.get $node) (local.get $v))
            ;; Half of the list goes, in a copy of the array too.
            (struct.set $n 0 (local.get $node) (ref.null $n))
            (array.copy $refs $refs (global.get $array) (i32.const 10000) (global.get $array) (i32.const 0) (i32.const 5000)))
          (else (nop)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
      (call $all))
    (func $all (export "all") (result i64) (local $s i64) (local $i i32)
      (local.set $s (call $sum (global.get $list)))
      (if (ref.is_null (global.get $array)) (then (return (local.get $s))))
      (loop $l
        (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 7))
          (call $sum (array.get $refs (global.get $array) (i32.mul (local.get $i) (i32.const 97))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 200))))
      (local.get $s)))"#;
