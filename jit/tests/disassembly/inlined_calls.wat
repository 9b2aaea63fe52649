;;! function inline-always
;; A body that calls, inside of one that calls: the receiver is in its slot over the call, as it would be in a frame of
;; its own, and the handler of the function around takes what the call throws.
(module
  (type $box (struct (field $value (mut i32))))
  (import "h" "next" (func $next (result i32)))
  (func $set (param (ref $box) i32) (struct.set $box $value (local.get 0) (local.get 1)))
  (func $add (param (ref $box)) (result i32)
    (call $set (local.get 0) (i32.add (struct.get $box $value (local.get 0)) (call $next)))
    (return (struct.get $box $value (local.get 0))))
  (func (export "run") (param (ref $box)) (result i32)
    (block $caught (try_table (catch_all $caught) (return (call $add (local.get 0)))))
    (i32.const -1)))
;; Code of "run", all 124 bytes:
;;     push rbp
;;     mov rbp, rsp
;;     sub rsp, 0x40
;;     cmp rsp, [r15-0x10]
;;     jb slow0
;; L0:
;;     mov [rbp-8], r14
;;     mov qword [rbp-0x20], 0
;;     mov dword [rbp-0x18], 0
;;     mov ecx, [r15+rax*4+4]
;;     mov [rbp-0x38], ecx
;;     mov [rbp-0x20], eax
;;     mov r11, [r14+0x18]
;;     mov r14, [r14+0x20]
;;     call r11                                    ; safe point: 3 slots, registers 0x0, with a handler
;;     add eax, [rbp-0x38]
;;     mov ecx, [rbp-0x20]
;;     mov [r15+rcx*4+4], eax
;;     mov eax, [r15+rcx*4+4]
;;     leave
;;     ret
;;     mov r14, [rbp-8]
;; L1:
;;     mov eax, 0xFFFFFFFF
;;     leave
;;     ret
;; slow0:
;;     call qword [r15-0x1000]                     ; safe point: 0 slots, registers 0x1
;;     jmp L0
;;     lea rsp, [rbp-0x40]
;;     mov r14, [rbp-8]
;;     jmp L1
