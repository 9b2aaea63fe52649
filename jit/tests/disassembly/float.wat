;;! loops
;; Floating point: locals in vector registers, a compare that is wrong for NaN, a conversion that may trap.
(module
  (func (export "run") (param $x f64) (param $n i32) (result i32) (local $sum f64)
    (loop $again
      (local.set $sum (f64.add (f64.mul (local.get $sum) (local.get $x)) (f64.sqrt (local.get $x))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (f64.lt (local.get $sum) (f64.const 1e10))))
    (i32.trunc_f64_s (local.get $sum))))
;; Code of "run", its loops of 45 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     movaps xmm0, xmm5
;;     mulsd xmm0, xmm6
;;     sqrtsd xmm1, xmm6
;;     movaps xmm5, xmm0
;;     addsd xmm5, xmm1
;;     sub esi, 1
;;     movsd xmm0, [rel constant]
;;     ucomisd xmm0, xmm5
;;     ja L1
