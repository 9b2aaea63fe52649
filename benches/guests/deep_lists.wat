;; Lists that are one long chain: a marker that follows them finds one object at a time. Sixteen queues of 20,000 nodes
;; move on (a node goes at the front, one comes at the end), and now and then a whole queue is copied in reverse order,
;; which replaces it.
;;
;; init() makes the queues; step(ops) moves ops times; run(n) does both.
(module $deep_lists
  (type $node (struct (field $number i64) (field $next (mut (ref null $node)))))
  (type $queue (struct (field $first (mut (ref null $node))) (field $last (mut (ref null $node)))))
  (type $queues (array (mut (ref null $queue))))

  (global $queues (mut (ref null $queues)) (ref.null $queues))
  (global $made (mut i64) (i64.const 0))
  ;; xorshift64; a number below $end
  (global $seed (mut i64) (i64.const 0))
  (func $random (param $end i32) (result i32) (local $x i64)
    (local.set $x (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
    (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
    (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
    (global.set $seed (local.get $x))
    (i32.rem_u (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 33))) (local.get $end)))

  ;; sum * 31 + value
  (func $mix (param $value i64)
    (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) (local.get $value))))
  (global $sum (mut i64) (i64.const 0))

  (func $queue (param $at i32) (result (ref $queue))
    (ref.as_non_null (array.get $queues (global.get $queues) (local.get $at))))

  (func $append (param $queue (ref $queue)) (local $node (ref $node))
    (global.set $made (i64.add (global.get $made) (i64.const 1)))
    (local.set $node (struct.new $node (global.get $made) (ref.null $node)))
    (if (ref.is_null (struct.get $queue $last (local.get $queue)))
      (then (struct.set $queue $first (local.get $queue) (local.get $node)))
      (else (struct.set $node $next (struct.get $queue $last (local.get $queue)) (local.get $node))))
    (struct.set $queue $last (local.get $queue) (local.get $node)))

  (func $move (param $queue (ref $queue))
    (call $mix (struct.get $node $number (struct.get $queue $first (local.get $queue))))
    (struct.set $queue $first (local.get $queue)
      (struct.get $node $next (struct.get $queue $first (local.get $queue))))
    (call $append (local.get $queue)))

  (func $reverse (param $queue (ref $queue)) (result (ref $queue))
    (local $at (ref null $node)) (local $copy (ref null $node)) (local $end (ref null $node))
    (local.set $at (struct.get $queue $first (local.get $queue)))
    (local.set $copy (struct.new $node (struct.get $node $number (local.get $at)) (ref.null $node)))
    (local.set $end (local.get $copy))
    (loop $more
      (local.set $at (struct.get $node $next (local.get $at)))
      (if (i32.eqz (ref.is_null (local.get $at)))
        (then
          (local.set $copy (struct.new $node (struct.get $node $number (local.get $at)) (local.get $copy)))
          (br $more))))
    (struct.new $queue (local.get $copy) (local.get $end)))

  (func $init (export "init") (local $at i32) (local $left i32)
    (global.set $seed (i64.const 88172645463325252))
    (global.set $sum (i64.const 0))
    (global.set $made (i64.const 0))
    (global.set $queues (array.new_default $queues (i32.const 16)))
    (loop $queue
      (array.set $queues (global.get $queues) (local.get $at)
        (struct.new $queue (ref.null $node) (ref.null $node)))
      (local.set $left (i32.const 20000))
      (loop $node
        (call $append (call $queue (local.get $at)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $node (local.get $left)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $queue (i32.lt_u (local.get $at) (i32.const 16)))))

  (func $step (export "step") (param $ops i32) (result i64) (local $at i32)
    (loop $more
      (if (i32.gt_s (local.get $ops) (i32.const 0))
        (then
          (local.set $at (call $random (i32.const 16)))
          (call $move (call $queue (local.get $at)))
          (if (i32.eqz (call $random (i32.const 4096)))
            (then (array.set $queues (global.get $queues) (local.get $at)
              (call $reverse (call $queue (local.get $at))))))
          (local.set $ops (i32.sub (local.get $ops) (i32.const 1)))
          (br $more))))
    (global.get $sum))

  (func (export "run") (param $n i32) (result i64)
    (call $init)
    (drop (call $step (local.get $n)))
    (global.set $queues (ref.null $queues))
    (global.get $sum)))
