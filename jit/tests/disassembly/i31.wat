;;! loops
;; Small integers as references: made by a shift, told from objects by a bit.
(module
  (func (export "run") (param $value anyref) (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (if (ref.test (ref i31) (local.get $value))
        (then (local.set $sum (i32.add (local.get $sum) (i31.get_s (ref.cast (ref i31) (local.get $value)))))))
      (local.set $value (ref.i31 (local.get $sum)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
;; Code of "run", its loops of 52 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     test sil, 1
;;     je L3
;;     test sil, 1
;;     je trap CastFailure
;;     mov eax, esi
;;     sar eax, 1
;;     add eax, ebx
;;     mov ebx, eax
;; L3:
;;     mov eax, ebx
;;     shl eax, 1
;;     or eax, 1
;;     mov esi, eax
;;     sub edi, 1
;;     jne L1
