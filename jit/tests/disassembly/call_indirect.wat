;;! loops
;; A call through a table: the bounds of the table, null, and the type of the callee are checked.
(module
  (type $f (func (param i32) (result i32)))
  (table 4 funcref)
  (func (export "run") (param $n i32) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call_indirect (type $f) (local.get $x) (i32.and (local.get $n) (i32.const 3))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
;; Code of "run", its loops of 89 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, ebx
;;     and eax, 3
;;     mov r14, [rbp-8]
;;     cmp rax, [r14+0x20]
;;     jae trap UndefinedElement
;;     mov r11, [r14+0x18]
;;     mov eax, [r11+rax*4]
;;     mov r11d, [r15+rax*4]                       ; may trap: UninitializedElement
;;     shr r11d, 8
;;     cmp r11d, 0                                 ; id of type 0
;;     jne trap IndirectCallTypeMismatch
;;     mov r14d, eax
;;     mov eax, r10d
;;     mov r11, [r15+r14*4+8]
;;     mov r14d, [r15+r14*4+4]
;;     lea r14, [r15+r14*4]
;;     call r11                                    ; safe point: 0 slots, registers 0x0
;;     mov r10d, eax
;;     sub ebx, 1
;;     jne L1
