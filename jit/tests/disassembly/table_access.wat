;;! loops
;; Elements of a table of references.
(module
  (table $t 4 anyref)
  (func (export "run") (param $n i32)
    (loop $again
      (table.set $t (local.get $n) (table.get $t (i32.const 0)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 67 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, 0
;;     mov r14, [rbp-8]
;;     cmp rax, [r14+0x20]
;;     jae trap TableOutOfBounds
;;     mov r11, [r14+0x18]
;;     mov eax, [r11+rax*4]
;;     mov [rsp+8], rbx
;;     mov [rsp+0x10], rax
;;     mov qword [rsp], 0
;;     call qword [r15-0xF90]                      ; safe point: 0 slots, registers 0x0
;;     sub ebx, 1
;;     jne L1
