;; A cache of 128,000 entries in order of use: a table of chains, each entry also in a list that is mutated at every
;; lookup. Keys are random below 256,000, so that half of the lookups miss, make an entry and drop the oldest one:
;; garbage that was live for long, and stores into old objects without end.
;;
;; init() fills it; step(ops) looks up ops keys; run(n) does n lookups from an empty cache.
(module $lru_cache
  (rec
    (type $entry (struct (field $key (mut i32)) (field $value (mut (ref null $value)))
      (field $newer (mut (ref null $entry))) (field $older (mut (ref null $entry)))
      (field $chain (mut (ref null $entry)))))
    (type $value (struct (field $number i64) (field $text (ref $text))))
    (type $text (array (mut i16))))
  (type $buckets (array (mut (ref null $entry))))

  (global $buckets (mut (ref null $buckets)) (ref.null $buckets))
  (global $newest (mut (ref null $entry)) (ref.null $entry))
  (global $oldest (mut (ref null $entry)) (ref.null $entry))
  (global $count (mut i32) (i32.const 0))
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

  (func $bucket (param $key i32) (result i32)
    (i32.and (i32.mul (local.get $key) (i32.const 0x9e3779b1)) (i32.const 131071)))

  (func $find (param $key i32) (result (ref null $entry)) (local $at (ref null $entry))
    (local.set $at (array.get $buckets (global.get $buckets) (call $bucket (local.get $key))))
    (loop $more
      (if (ref.is_null (local.get $at)) (then (return (ref.null $entry))))
      (if (i32.eq (struct.get $entry $key (local.get $at)) (local.get $key)) (then (return (local.get $at))))
      (local.set $at (struct.get $entry $chain (local.get $at)))
      (br $more))
    unreachable)

  ;; takes an entry out of the list of use
  (func $unlink (param $entry (ref $entry))
    (local $newer (ref null $entry)) (local $older (ref null $entry))
    (local.set $newer (struct.get $entry $newer (local.get $entry)))
    (local.set $older (struct.get $entry $older (local.get $entry)))
    (if (ref.is_null (local.get $newer))
      (then (global.set $newest (local.get $older)))
      (else (struct.set $entry $older (local.get $newer) (local.get $older))))
    (if (ref.is_null (local.get $older))
      (then (global.set $oldest (local.get $newer)))
      (else (struct.set $entry $newer (local.get $older) (local.get $newer)))))

  (func $push (param $entry (ref $entry))
    (struct.set $entry $newer (local.get $entry) (ref.null $entry))
    (struct.set $entry $older (local.get $entry) (global.get $newest))
    (if (ref.is_null (global.get $newest))
      (then (global.set $oldest (local.get $entry)))
      (else (struct.set $entry $newer (global.get $newest) (local.get $entry))))
    (global.set $newest (local.get $entry)))

  ;; takes the oldest entry out of list and table
  (func $evict (local $entry (ref $entry)) (local $at (ref null $entry)) (local $bucket i32)
    (local.set $entry (ref.as_non_null (global.get $oldest)))
    (call $unlink (local.get $entry))
    (local.set $bucket (call $bucket (struct.get $entry $key (local.get $entry))))
    (local.set $at (array.get $buckets (global.get $buckets) (local.get $bucket)))
    (if (ref.eq (local.get $at) (local.get $entry))
      (then (array.set $buckets (global.get $buckets) (local.get $bucket)
        (struct.get $entry $chain (local.get $entry))))
      (else
        (loop $more
          (if (i32.eqz (ref.eq (struct.get $entry $chain (local.get $at)) (local.get $entry)))
            (then (local.set $at (struct.get $entry $chain (local.get $at))) (br $more))))
        (struct.set $entry $chain (local.get $at) (struct.get $entry $chain (local.get $entry)))))
    (global.set $count (i32.sub (global.get $count) (i32.const 1))))

  (func $insert (param $key i32) (local $entry (ref $entry)) (local $bucket i32)
    (if (i32.eq (global.get $count) (i32.const 128000)) (then (call $evict)))
    (local.set $bucket (call $bucket (local.get $key)))
    (local.set $entry (struct.new $entry (local.get $key)
      (struct.new $value (i64.mul (i64.extend_i32_u (local.get $key)) (i64.const 7))
        (array.new $text (local.get $key) (i32.add (i32.const 2) (i32.and (local.get $key) (i32.const 15)))))
      (ref.null $entry) (ref.null $entry)
      (array.get $buckets (global.get $buckets) (local.get $bucket))))
    (array.set $buckets (global.get $buckets) (local.get $bucket) (local.get $entry))
    (call $push (local.get $entry))
    (global.set $count (i32.add (global.get $count) (i32.const 1))))

  (func $lookup (param $key i32) (local $entry (ref null $entry)) (local $value (ref null $value))
    (local.set $entry (call $find (local.get $key)))
    (if (ref.is_null (local.get $entry))
      (then (call $insert (local.get $key)) (call $mix (i64.const 1)))
      (else
        (call $unlink (ref.as_non_null (local.get $entry)))
        (call $push (ref.as_non_null (local.get $entry)))
        (local.set $value (struct.get $entry $value (local.get $entry)))
        (call $mix (i64.add (struct.get $value $number (local.get $value))
          (i64.extend_i32_u (array.len (struct.get $value $text (local.get $value)))))))))

  (func $empty
    (global.set $seed (i64.const 88172645463325252))
    (global.set $sum (i64.const 0))
    (global.set $count (i32.const 0))
    (global.set $buckets (array.new_default $buckets (i32.const 131072)))
    (global.set $newest (ref.null $entry))
    (global.set $oldest (ref.null $entry)))

  (func $step (export "step") (param $ops i32) (result i64)
    (loop $more
      (if (i32.gt_s (local.get $ops) (i32.const 0))
        (then
          (call $lookup (call $random (i32.const 256000)))
          (local.set $ops (i32.sub (local.get $ops) (i32.const 1)))
          (br $more))))
    (global.get $sum))

  (func (export "init")
    (call $empty)
    (loop $more
      (call $lookup (call $random (i32.const 256000)))
      (br_if $more (i32.lt_u (global.get $count) (i32.const 128000)))))

  (func (export "run") (param $n i32) (result i64) (local $sum i64)
    (call $empty)
    (local.set $sum (i64.add (call $step (local.get $n)) (i64.extend_i32_u (global.get $count))))
    (call $empty)
    (global.set $buckets (ref.null $buckets))
    (local.get $sum)))
