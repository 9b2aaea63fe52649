;;! function
;; Conditions joined by "or", and a cast behind the test that a compiler writes before it: each decides by one branch, and the cast
;; needs no code.
(module
  (type $list (sub (struct (field i32))))
  (func (export "run") (param anyref i32) (result i32)
    (local (ref null $list))
    (if (result i32) (ref.is_null (local.get 0))
      (then (i32.const 0))
      (else (ref.test (ref $list) (local.get 0))))
    if (result (ref null $list))
      (ref.cast (ref null $list) (local.get 0))
    else
      unreachable
    end
    local.set 2
    (if (result i32)
      (if (result i32) (i32.lt_s (local.get 1) (i32.const 0))
        (then (i32.const 1))
        (else (i32.ge_s (local.get 1) (struct.get $list 0 (local.get 2)))))
      (then (i32.const -1))
      (else (i32.mul (local.get 1) (i32.const 3))))))
;; Code of "run", all 140 bytes:
;;     push rbp
;;     mov rbp, rsp
;;     sub rsp, 0x20
;;     cmp rsp, [r15-0x10]
;;     jb slow0
;; L0:
;;     mov [rbp-8], r14
;;     mov qword [rbp-0x18], 0
;;     test eax, eax
;;     je trap Unreachable
;;     xor r11d, r11d
;;     test al, 1
;;     jne L1
;;     mov r11d, [r15+rax*4]
;;     shr r11d, 8
;; L1:
;;     cmp dword [r15+r11*8-0x8010000], 0          ; id of type 0
;;     jne trap Unreachable
;;     mov ecx, eax
;;     jmp L3
;; trap Unreachable:
;;     ud2
;; L3:
;;     cmp edx, 0
;;     jl L4
;;     mov eax, [r15+rcx*4+4]                      ; may trap: NullStruct
;;     cmp edx, eax
;;     jl L5
;; L4:
;;     mov eax, 0xFFFFFFFF
;;     leave
;;     ret
;; L5:
;;     imul eax, edx, 3
;;     leave
;;     ret
;; slow0:
;;     call qword [r15-0x1000]                     ; safe point: 0 slots, registers 0x1
;;     jmp L0
