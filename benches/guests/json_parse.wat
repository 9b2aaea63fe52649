;; A parser of JSON-like text. A generator writes a document of numbers, strings, lists and records into an array of
;; bytes; the parser makes a tree of it, with a substring for every string and key, and the tree is weighed. The last 64
;; trees stay alive.
;;
;; init() clears what stays; step(ops) writes, parses and weighs ops documents; run(n) does both.
(module $json_parse
  (type $bytes (array (mut i8)))
  (rec
    (type $value (sub (struct)))
    (type $number (sub final $value (struct (field $number i64))))
    (type $string (sub final $value (struct (field $bytes (ref $bytes)))))
    (type $list (sub final $value (struct (field $first (mut (ref null $item))) (field $count (mut i32)))))
    (type $item (struct (field $value (ref $value)) (field $next (mut (ref null $item)))))
    (type $record (sub final $value (struct (field $first (mut (ref null $pair))))))
    (type $pair (struct (field $key (ref $bytes)) (field $value (ref $value)) (field $next (mut (ref null $pair))))))
  (type $trees (array (mut (ref null $value))))

  (global $text (mut (ref null $bytes)) (ref.null $bytes))
  (global $end (mut i32) (i32.const 0))
  (global $at (mut i32) (i32.const 0))
  (global $trees (mut (ref null $trees)) (ref.null $trees))
  (global $parsed (mut i32) (i32.const 0))
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

  ;; The generator: writes at $end.

  (func $put (param $byte i32) (local $longer (ref null $bytes))
    (if (i32.eq (global.get $end) (array.len (global.get $text)))
      (then
        (local.set $longer (array.new_default $bytes (i32.mul (global.get $end) (i32.const 2))))
        (array.copy $bytes $bytes (local.get $longer) (i32.const 0) (global.get $text) (i32.const 0) (global.get $end))
        (global.set $text (local.get $longer))))
    (array.set $bytes (global.get $text) (global.get $end) (local.get $byte))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))

  (func $put_word (local $left i32)
    (call $put (i32.const 34))
    (local.set $left (i32.add (i32.const 2) (call $random (i32.const 12))))
    (loop $more
      (call $put (i32.add (i32.const 97) (call $random (i32.const 26))))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (call $put (i32.const 34)))

  (func $put_number (param $number i32) (local $power i32)
    (local.set $power (i32.const 1))
    (loop $more
      (if (i32.le_u (i32.mul (local.get $power) (i32.const 10)) (local.get $number))
        (then (local.set $power (i32.mul (local.get $power) (i32.const 10))) (br $more))))
    (loop $more
      (call $put (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $number) (local.get $power)) (i32.const 10))))
      (local.set $power (i32.div_u (local.get $power) (i32.const 10)))
      (br_if $more (local.get $power))))

  ;; lists and records while $depth is not 0
  (func $put_value (param $depth i32) (local $kind i32) (local $left i32)
    (local.set $kind (call $random (if (result i32) (local.get $depth) (then (i32.const 6)) (else (i32.const 2)))))
    (if (i32.eqz (local.get $kind)) (then (call $put_number (call $random (i32.const 1000000))) (return)))
    (if (i32.eq (local.get $kind) (i32.const 1)) (then (call $put_word) (return)))
    (local.set $left (i32.add (i32.const 1) (call $random (i32.const 7))))
    (local.set $kind (i32.and (local.get $kind) (i32.const 1)))
    (call $put (if (result i32) (local.get $kind) (then (i32.const 123)) (else (i32.const 91))))
    (loop $more
      (if (local.get $kind) (then (call $put_word) (call $put (i32.const 58))))
      (call $put_value (i32.sub (local.get $depth) (i32.const 1)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (if (local.get $left) (then (call $put (i32.const 44)) (call $put (i32.const 32)) (br $more))))
    (call $put (if (result i32) (local.get $kind) (then (i32.const 125)) (else (i32.const 93)))))

  ;; The parser: reads at $at.

  (func $peek (result i32) (array.get_u $bytes (global.get $text) (global.get $at)))
  (func $skip (global.set $at (i32.add (global.get $at) (i32.const 1))))
  (func $skip_blanks
    (loop $more
      (if (i32.eq (call $peek) (i32.const 32)) (then (call $skip) (br $more)))))

  (func $parse_word (result (ref $bytes)) (local $start i32) (local $word (ref $bytes))
    (call $skip)
    (local.set $start (global.get $at))
    (loop $more
      (if (i32.ne (call $peek) (i32.const 34)) (then (call $skip) (br $more))))
    (local.set $word (array.new_default $bytes (i32.sub (global.get $at) (local.get $start))))
    (array.copy $bytes $bytes (local.get $word) (i32.const 0) (global.get $text) (local.get $start)
      (array.len (local.get $word)))
    (call $skip)
    (local.get $word))

  (func $parse_number (result (ref $value)) (local $number i64)
    (loop $more
      (if (i32.lt_u (i32.sub (call $peek) (i32.const 48)) (i32.const 10))
        (then
          (local.set $number (i64.add (i64.mul (local.get $number) (i64.const 10))
            (i64.extend_i32_u (i32.sub (call $peek) (i32.const 48)))))
          (call $skip)
          (br $more))))
    (struct.new $number (local.get $number)))

  (func $parse_list (result (ref $value)) (local $list (ref $list)) (local $item (ref $item)) (local $last (ref null $item))
    (local.set $list (struct.new $list (ref.null $item) (i32.const 0)))
    (loop $more
      (call $skip)
      (call $skip_blanks)
      (local.set $item (struct.new $item (call $parse) (ref.null $item)))
      (if (ref.is_null (local.get $last))
        (then (struct.set $list $first (local.get $list) (local.get $item)))
        (else (struct.set $item $next (local.get $last) (local.get $item))))
      (local.set $last (local.get $item))
      (struct.set $list $count (local.get $list)
        (i32.add (struct.get $list $count (local.get $list)) (i32.const 1)))
      (br_if $more (i32.eq (call $peek) (i32.const 44))))
    (call $skip)
    (local.get $list))

  (func $parse_record (result (ref $value)) (local $record (ref $record)) (local $key (ref $bytes)) (local $pair (ref $pair))
    (local $last (ref null $pair))
    (local.set $record (struct.new $record (ref.null $pair)))
    (loop $more
      (call $skip)
      (call $skip_blanks)
      (local.set $key (call $parse_word))
      (call $skip)
      (local.set $pair (struct.new $pair (local.get $key) (call $parse) (ref.null $pair)))
      (if (ref.is_null (local.get $last))
        (then (struct.set $record $first (local.get $record) (local.get $pair)))
        (else (struct.set $pair $next (local.get $last) (local.get $pair))))
      (local.set $last (local.get $pair))
      (br_if $more (i32.eq (call $peek) (i32.const 44))))
    (call $skip)
    (local.get $record))

  (func $parse (result (ref $value))
    (if (i32.eq (call $peek) (i32.const 34)) (then (return (struct.new $string (call $parse_word)))))
    (if (i32.eq (call $peek) (i32.const 91)) (then (return (call $parse_list))))
    (if (i32.eq (call $peek) (i32.const 123)) (then (return (call $parse_record))))
    (call $parse_number))

  ;; The weight of a tree, by casts.

  (func $weigh_bytes (param $bytes (ref $bytes)) (result i64) (local $at i32) (local $sum i64)
    (loop $more
      (if (i32.lt_u (local.get $at) (array.len (local.get $bytes)))
        (then
          (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3))
            (i64.extend_i32_u (array.get_u $bytes (local.get $bytes) (local.get $at)))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $more))))
    (local.get $sum))

  (func $weigh (param $value (ref $value)) (result i64)
    (local $sum i64) (local $item (ref null $item)) (local $pair (ref null $pair))
    (if (ref.test (ref $number) (local.get $value))
      (then (return (struct.get $number $number (ref.cast (ref $number) (local.get $value))))))
    (if (ref.test (ref $string) (local.get $value))
      (then (return (call $weigh_bytes (struct.get $string $bytes (ref.cast (ref $string) (local.get $value)))))))
    (if (ref.test (ref $list) (local.get $value))
      (then
        (local.set $sum (i64.extend_i32_u (struct.get $list $count (ref.cast (ref $list) (local.get $value)))))
        (local.set $item (struct.get $list $first (ref.cast (ref $list) (local.get $value))))
        (loop $more
          (if (ref.is_null (local.get $item)) (then (return (local.get $sum))))
          (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 5))
            (call $weigh (struct.get $item $value (local.get $item)))))
          (local.set $item (struct.get $item $next (local.get $item)))
          (br $more))))
    (local.set $pair (struct.get $record $first (ref.cast (ref $record) (local.get $value))))
    (loop $more
      (if (ref.is_null (local.get $pair)) (then (return (local.get $sum))))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 7))
        (i64.xor (call $weigh_bytes (struct.get $pair $key (local.get $pair)))
          (call $weigh (struct.get $pair $value (local.get $pair))))))
      (local.set $pair (struct.get $pair $next (local.get $pair)))
      (br $more))
    unreachable)

  (func $document (local $tree (ref $value))
    (global.set $end (i32.const 0))
    (global.set $at (i32.const 0))
    (call $put_value (i32.const 6))
    (call $put (i32.const 10))
    (local.set $tree (call $parse))
    (array.set $trees (global.get $trees) (i32.and (global.get $parsed) (i32.const 63)) (local.get $tree))
    (global.set $parsed (i32.add (global.get $parsed) (i32.const 1)))
    (call $mix (i64.add (call $weigh (local.get $tree)) (i64.extend_i32_u (global.get $end)))))

  (func $init (export "init")
    (global.set $seed (i64.const 88172645463325252))
    (global.set $sum (i64.const 0))
    (global.set $parsed (i32.const 0))
    (global.set $text (array.new_default $bytes (i32.const 1024)))
    (global.set $trees (array.new_default $trees (i32.const 64))))

  (func $step (export "step") (param $ops i32) (result i64)
    (loop $more
      (if (i32.gt_s (local.get $ops) (i32.const 0))
        (then
          (call $document)
          (local.set $ops (i32.sub (local.get $ops) (i32.const 1)))
          (br $more))))
    (global.get $sum))

  (func (export "run") (param $n i32) (result i64)
    (call $init)
    (drop (call $step (local.get $n)))
    (global.set $trees (ref.null $trees))
    (global.set $text (ref.null $bytes))
    (global.get $sum)))
