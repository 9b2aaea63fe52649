;;! function
;; A call in place of a return: arguments move to their places, the frame goes, and a jump follows.
(module
  (func $run (export "run") (param $n i32) (param $sum i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (local.get $sum))))
    (return_call $run (i32.sub (local.get $n) (i32.const 1)) (i32.add (local.get $sum) (local.get $n)))))
;; Code of "run", all 76 bytes:
;;     test eax, eax
;;     jne L0
;;     mov eax, edx
;;     ret
;; L0:
;;     push rbp
;;     mov rbp, rsp
;;     sub rsp, 0x30
;;     cmp rsp, [r15-0x10]
;;     jb slow0
;; L1:
;;     mov [rbp-8], r14
;;     lea ecx, [rax-1]
;;     lea esi, [rdx+rax]
;;     mov eax, ecx
;;     mov edx, esi
;;     mov r11, [rel constant]                     ; slot of function 0
;;     leave
;;     jmp r11
;; slow0:
;;     call qword [r15-0x1000]                     ; safe point: 0 slots, registers 0x0
;;     jmp L1
