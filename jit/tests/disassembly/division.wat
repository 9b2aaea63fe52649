;;! loops
;; Division by a constant is a product and a shift; by a local it is the instruction with its two checks.
(module
  (func (export "run") (param $d i32) (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $sum (i32.add (local.get $sum) (i32.div_s (local.get $n) (local.get $d))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
;; Code of "run", its loops of 78 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov r11d, 0xCCCCCCCD
;;     mov eax, r10d
;;     imul rax, r11
;;     shr rax, 0x23
;;     imul r11d, eax, 0xA
;;     mov eax, r10d
;;     sub eax, r11d
;;     add eax, ebx
;;     mov ebx, eax
;;     mov eax, r10d
;;     cmp esi, 0xFFFFFFFF
;;     jne L3
;;     cmp eax, 0x80000000
;;     je trap IntegerOverflow
;; L3:
;;     cdq
;;     idiv esi                                    ; may trap: IntegerDivideByZero
;;     add eax, ebx
;;     mov ebx, eax
;;     sub r10d, 1
;;     jne L1
