;; Trees beside a tree that stays, after the idea of Boehm's GCBench: short-lived trees of growing depth, built from the
;; root and from the leaves, while a large tree and an array of numbers stay alive.
;;
;; init() builds what stays (a tree of depth 16); step(ops) builds and drops ops trees of depth 8; run(n) keeps a tree of
;; depth n and builds trees of depths 4, 6, … n, as many of each as make 2^(n+2) nodes.
(module $gcbench
  (type $node (struct (field $left (mut (ref null $node))) (field $right (mut (ref null $node))) (field $depth i32)))
  (type $numbers (array (mut f64)))

  (global $kept (mut (ref null $node)) (ref.null $node))
  (global $numbers (mut (ref null $numbers)) (ref.null $numbers))
  ;; sum * 31 + value
  (func $mix (param $value i64)
    (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) (local.get $value))))
  (global $sum (mut i64) (i64.const 0))

  (func $leaves_first (param $depth i32) (result (ref $node))
    (if (result (ref $node)) (local.get $depth)
      (then (struct.new $node
        (call $leaves_first (i32.sub (local.get $depth) (i32.const 1)))
        (call $leaves_first (i32.sub (local.get $depth) (i32.const 1))) (local.get $depth)))
      (else (struct.new $node (ref.null $node) (ref.null $node) (i32.const 0)))))

  (func $populate (param $node (ref $node)) (param $depth i32)
    (if (i32.eqz (local.get $depth)) (then (return)))
    (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
    (struct.set $node $left (local.get $node)
      (struct.new $node (ref.null $node) (ref.null $node) (local.get $depth)))
    (struct.set $node $right (local.get $node)
      (struct.new $node (ref.null $node) (ref.null $node) (local.get $depth)))
    (call $populate (ref.as_non_null (struct.get $node $left (local.get $node))) (local.get $depth))
    (call $populate (ref.as_non_null (struct.get $node $right (local.get $node))) (local.get $depth)))

  (func $root_first (param $depth i32) (result (ref $node)) (local $node (ref $node))
    (local.set $node (struct.new $node (ref.null $node) (ref.null $node) (local.get $depth)))
    (call $populate (local.get $node) (local.get $depth))
    (local.get $node))

  (func $weigh (param $node (ref null $node)) (result i64)
    (if (result i64) (ref.is_null (local.get $node))
      (then (i64.const 0))
      (else (i64.add (i64.extend_i32_u (i32.add (struct.get $node $depth (local.get $node)) (i32.const 1)))
        (i64.add (call $weigh (struct.get $node $left (local.get $node)))
          (call $weigh (struct.get $node $right (local.get $node))))))))

  (func $keep (param $depth i32)
    (global.set $sum (i64.const 0))
    (global.set $kept (call $root_first (local.get $depth)))
    (global.set $numbers (array.new $numbers (f64.const 0.5) (i32.const 100000))))

  (func (export "init") (call $keep (i32.const 16)))

  (func (export "step") (param $ops i32) (result i64)
    (loop $more
      (if (i32.gt_s (local.get $ops) (i32.const 0))
        (then
          (call $mix (call $weigh (call $leaves_first (i32.const 8))))
          (local.set $ops (i32.sub (local.get $ops) (i32.const 1)))
          (br $more))))
    (global.get $sum))

  (func (export "run") (param $n i32) (result i64) (local $depth i32) (local $left i32)
    (call $keep (local.get $n))
    (local.set $depth (i32.const 4))
    (loop $deeper
      (if (i32.le_s (local.get $depth) (local.get $n))
        (then
          (local.set $left (i32.shl (i32.const 1) (i32.sub (i32.add (local.get $n) (i32.const 1)) (local.get $depth))))
          (loop $more
            (call $mix (call $weigh (call $root_first (local.get $depth))))
            (call $mix (call $weigh (call $leaves_first (local.get $depth))))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (local.get $left)))
          (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
          (br $deeper))))
    (call $mix (call $weigh (global.get $kept)))
    (call $mix (i64.trunc_f64_s (f64.mul (array.get $numbers (global.get $numbers) (i32.const 99999)) (f64.const 10))))
    (global.set $kept (ref.null $node))
    (global.set $numbers (ref.null $numbers))
    (global.get $sum)))
