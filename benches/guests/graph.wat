;; A graph of 50,000 nodes with four edges each, rewired at random: most stores go into old objects and name old ones,
;; one in four makes a node that takes another's place. Between them, walks along edges that follow what nodes hold.
;;
;; init() makes the graph; step(ops) does ops rounds (two rewirings, perhaps a new node, a walk of 16); run(n) does both.
(module $graph
  (rec
    (type $node (struct (field $label i32) (field $edges (ref $edges)) (field $visits (mut i32))))
    (type $edges (array (mut (ref null $node)))))

  (global $nodes (mut (ref null $edges)) (ref.null $edges))
  (global $made (mut i32) (i32.const 0))
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

  (func $any (result (ref null $node))
    (array.get $edges (global.get $nodes) (call $random (i32.const 50000))))

  (func $new (result (ref $node))
    (global.set $made (i32.add (global.get $made) (i32.const 1)))
    (struct.new $node (global.get $made)
      (array.new_fixed $edges 4 (call $any) (call $any) (call $any) (call $any)) (i32.const 0)))

  (func $rewire (local $from (ref null $node)) (local $edge i32)
    (local.set $from (call $any))
    (local.set $edge (call $random (i32.const 4)))
    (array.set $edges (struct.get $node $edges (local.get $from)) (local.get $edge) (call $any)))

  (func $walk (local $at (ref null $node)) (local $left i32)
    (local.set $at (call $any))
    (local.set $left (i32.const 16))
    (loop $more
      (if (ref.is_null (local.get $at)) (then (return)))
      (struct.set $node $visits (local.get $at)
        (i32.add (struct.get $node $visits (local.get $at)) (i32.const 1)))
      (call $mix (i64.extend_i32_u (i32.add (struct.get $node $label (local.get $at))
        (struct.get $node $visits (local.get $at)))))
      (local.set $at (array.get $edges (struct.get $node $edges (local.get $at))
        (i32.and (i32.add (struct.get $node $label (local.get $at)) (local.get $left)) (i32.const 3))))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left))))

  (func $init (export "init") (local $at i32)
    (global.set $seed (i64.const 88172645463325252))
    (global.set $sum (i64.const 0))
    (global.set $made (i32.const 0))
    (global.set $nodes (array.new_default $edges (i32.const 50000)))
    ;; edges lead to nodes that are there already, or nowhere
    (loop $more
      (array.set $edges (global.get $nodes) (local.get $at) (call $new))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $at) (i32.const 50000)))))

  (func $step (export "step") (param $ops i32) (result i64)
    (loop $more
      (if (i32.gt_s (local.get $ops) (i32.const 0))
        (then
          (call $rewire)
          (call $rewire)
          (if (i32.eqz (call $random (i32.const 4)))
            (then (array.set $edges (global.get $nodes) (call $random (i32.const 50000)) (call $new))))
          (call $walk)
          (local.set $ops (i32.sub (local.get $ops) (i32.const 1)))
          (br $more))))
    (global.get $sum))

  (func (export "run") (param $n i32) (result i64)
    (call $init)
    (drop (call $step (local.get $n)))
    (global.set $nodes (ref.null $edges))
    (global.get $sum)))
