;;! function targets=2:3:0,1
;; A call by a reference that was seen to call two functions: each is compared as an object with the word of the context,
;; and compiled behind that; the call comes last, out of the way.
(module
  (type $f (func (param i32) (result i32)))
  (func $add (type $f) (i32.add (local.get 0) (i32.const 7)))
  (func $mul (type $f) (i32.mul (local.get 0) (i32.const 5)))
  (elem declare func $add $mul)
  (func (export "run") (param $n i32) (param $f (ref null $f)) (result i32) (local $x i32)
    (loop $again
      (local.set $x (call_ref $f (local.get $x) (local.get $f)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x)))
;; Code of "run", all 184 bytes:
;;     push rbp
;;     mov rbp, rsp
;;     sub rsp, 0x40
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L0:
;;     mov [rbp-8], r14
;;     mov [rbp-0x10], rbx
;;     mov [rbp-0x18], r10
;;     mov dword [rbp-0x28], 0
;;     xor ebx, ebx
;;     mov r10d, eax
;;     mov [rbp-0x28], edx
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow2
;; L2:
;;     mov eax, [rbp-0x28]
;;     mov r14, [rbp-8]
;;     cmp eax, [r14+0x18]
;;     jne L3
;;     lea eax, [rbx+7]
;;     jmp L4
;; L3:
;;     cmp eax, [r14+0x1C]
;;     jne slow0
;;     imul eax, ebx, 5
;; L4:
;;     mov ebx, eax
;;     sub r10d, 1
;;     jne L1
;;     mov eax, ebx
;;     mov rbx, [rbp-0x10]
;;     mov r10, [rbp-0x18]
;;     leave
;;     ret
;; slow0:
;;     mov r14d, eax
;;     mov eax, ebx
;;     mov r11, [r15+r14*4+8]                      ; may trap: NullFunction
;;     mov r14d, [r15+r14*4+4]
;;     lea r14, [r15+r14*4]
;;     call r11                                    ; safe point: 1 slots, registers 0x0
;;     mov r14, [rbp-8]
;;     jmp L4
;; slow1:
;;     call qword [r15-0x1000]                     ; safe point: 0 slots, registers 0x4
;;     jmp L0
;; slow2:
;;     call qword [r15-0x1000]                     ; safe point: 1 slots, registers 0x0
;;     jmp L2
