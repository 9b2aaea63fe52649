;; Functions of `wasm:js-string`, each `n` times in a loop; `empty` is the loop alone. Results are checksums.
(module
  (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
  (import "wasm:js-string" "charCodeAt" (func $unit (param externref i32) (result i32)))
  (import "wasm:js-string" "concat" (func $concat (param externref externref) (result (ref extern))))
  (import "wasm:js-string" "equals" (func $equals (param externref externref) (result i32)))
  (import "_" "a string of forty units, more or less....." (global $text (ref extern)))
  (import "_" "short" (global $short (ref extern)))
  (import "_" "words" (global $words (ref extern)))
  (func (export "empty") (param $n i32) (result i64) (local $sum i64)
    (loop $more
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.and (local.get $n) (i32.const 31)))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "length") (param $n i32) (result i64) (local $sum i64) (local $text externref)
    (local.set $text (global.get $text))
    (loop $more
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $length (local.get $text)))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "charCodeAt") (param $n i32) (result i64) (local $sum i64) (local $text externref)
    (local.set $text (global.get $text))
    (loop $more
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u
        (call $unit (local.get $text) (i32.and (local.get $n) (i32.const 31))))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "equals") (param $n i32) (result i64) (local $sum i64)
    (loop $more
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u
        (call $equals (global.get $short) (global.get $words)))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  ;; Two short strings, joined to one that dies at once.
  (func (export "concat") (param $n i32) (result i64) (local $sum i64)
    (loop $more
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u
        (call $length (call $concat (global.get $short) (global.get $words))))))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  ;; One string that `n` short ones are appended to, and read once at the end.
  (func (export "append") (param $n i32) (result i64) (local $text externref)
    (local.set $text (global.get $short))
    (loop $more
      (local.set $text (call $concat (local.get $text) (global.get $words)))
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (i32.add (call $length (local.get $text)) (call $unit (local.get $text) (i32.const 7))))))
