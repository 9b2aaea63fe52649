;; A graph of n MiB of nodes of 32 bytes, of which a quarter references another at random; nodes are replaced at random
;; and others changed: for heaps that are much larger than any cache. Live: n MiB, and an eighth of that in arrays.
(module
  (type $node (struct
    (field $left (mut (ref null $node)))
    (field $right (mut (ref null $node)))
    (field $id i64)
    (field $sum (mut i64))))
  (type $row (array (mut (ref null $node))))
  (type $rows (array (mut (ref null $row))))
  (global $rows (mut (ref null $rows)) (ref.null $rows))
  (global $seed (mut i64) (i64.const 88172645463325252))

  (func $random (param $below i32) (result i32)
    (local $x i64)
    (local.set $x (global.get $seed))
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
    (global.set $seed (local.get $x))
    (i32.rem_u (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 33))) (local.get $below)))

  (func $any (result (ref null $node))
    (local $row (ref null $row))
    (local.set $row (array.get $rows (global.get $rows) (call $random (array.len (global.get $rows)))))
    (if (ref.is_null (local.get $row)) (then (return (ref.null $node))))
    (array.get $row (local.get $row) (call $random (i32.const 32768))))

  (func $make (param $id i64) (result (ref $node))
    (struct.new $node
      (ref.null $node)
      (if (result (ref null $node)) (call $random (i32.const 4)) (then (ref.null $node)) (else (call $any)))
      (local.get $id)
      (i64.const 0)))

  (func $build (param $mib i32)
    (local $r i32) (local $i i32) (local $row (ref null $row))
    (global.set $rows (array.new_default $rows (local.get $mib)))
    (loop $rows_loop
      (local.set $row (array.new_default $row (i32.const 32768)))
      (array.set $rows (global.get $rows) (local.get $r) (local.get $row))
      (local.set $i (i32.const 0))
      (loop $nodes
        (array.set $row (local.get $row) (local.get $i) (call $make (i64.extend_i32_u (local.get $i))))
        (br_if $nodes (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 32768))))
      (br_if $rows_loop (i32.lt_u (local.tee $r (i32.add (local.get $r) (i32.const 1))) (local.get $mib)))))

  ;; Replaces nodes, and changes one for every four of them.
  (func $change (param $ops i32) (result i64)
    (local $row (ref null $row)) (local $old (ref null $node)) (local $sum i64) (local $at i32)
    (loop $next
      (local.set $row (array.get $rows (global.get $rows) (call $random (array.len (global.get $rows)))))
      (local.set $at (call $random (i32.const 32768)))
      (local.set $old (array.get $row (local.get $row) (local.get $at)))
      (local.set $sum (i64.add (local.get $sum) (struct.get $node $id (local.get $old))))
      (if (i32.eqz (call $random (i32.const 4))) (then (struct.set $node $left (call $any) (call $any))))
      (array.set $row (local.get $row) (local.get $at) (call $make (i64.extend_i32_u (local.get $at))))
      (br_if $next (local.tee $ops (i32.sub (local.get $ops) (i32.const 1)))))
    (local.get $sum))

  ;; Builds a graph of n MiB and replaces as many nodes as a quarter of it has.
  (func (export "run") (param $mib i32) (result i64)
    (local $sum i64)
    (global.set $seed (i64.const 88172645463325252))
    (call $build (local.get $mib))
    (local.set $sum (call $change (i32.mul (local.get $mib) (i32.const 8192))))
    (global.set $rows (ref.null $rows))
    (local.get $sum))

  (func (export "init") (call $build (i32.const 64)))
  (func (export "step") (param $ops i32) (result i64) (call $change (local.get $ops))))
