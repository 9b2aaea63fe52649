;; MoonBit's `print_char` 10^7 times, in lines of 80.
(module
  (import "spectest" "print_char" (func $print (param i32)))
  (func (export "_start") (local $i i32)
    (loop $more
      (call $print (select (i32.const 10) (i32.const 65) (i32.eqz (i32.rem_u (local.get $i) (i32.const 80)))))
      (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000000))))))
