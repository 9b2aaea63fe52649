;;! function
;; The type is read once, for the branches that follow each other and for the arm of the `if` behind them.
(module
  (type $shape (sub (struct (field f64))))
  (type $round (sub $shape (struct (field f64))))
  (type $circle (sub final $round (struct (field f64))))
  (type $square (sub final $shape (struct (field f64))))
  (func (export "run") (param $of (ref null $shape)) (result i32)
    (block $is_circle (result (ref $circle))
      (block $is_square (result (ref $square))
        (local.get $of)
        (br_on_cast $is_circle (ref null $shape) (ref $circle))
        (br_on_cast $is_square (ref null $shape) (ref $square))
        (drop)
        (return (if (result i32) (ref.test (ref $round) (local.get $of))
          (then (i32.const 3))
          (else (if (result i32) (ref.test (ref $circle) (local.get $of)) (then (i32.const 4)) (else (i32.const 5)))))))
      (drop)
      (return (i32.const 2)))
    (drop)
    (i32.const 1)))
;; Code of "run", all 188 bytes:
;;     push rbp
;;     mov rbp, rsp
;;     sub rsp, 0x10
;;     cmp rsp, [r15-0x10]
;;     jb slow0
;; L0:
;;     mov [rbp-8], r14
;;     mov dword [rbp-0x10], 0
;;     mov ecx, eax
;;     xor r11d, r11d
;;     test ecx, ecx
;;     je L1
;;     mov r11d, [r15+rcx*4]
;;     shr r11d, 8
;; L1:
;;     cmp r11d, 0                                 ; id of type 2
;;     je L7
;;     cmp r11d, 0                                 ; id of type 3
;;     je L6
;;     xor r11d, r11d
;;     test eax, eax
;;     je L2
;;     mov r11d, [r15+rax*4]
;;     shr r11d, 8
;; L2:
;;     cmp dword [r15+r11*8-0x800FFFC], 0          ; id of type 1
;;     jne L3
;;     mov ecx, 3
;;     jmp L5
;; L3:
;;     cmp r11d, 0                                 ; id of type 2
;;     jne L4
;;     mov ecx, 4
;;     jmp L5
;; L4:
;;     mov ecx, 5
;; L5:
;;     mov eax, ecx
;;     leave
;;     ret
;; L6:
;;     mov eax, 2
;;     leave
;;     ret
;; L7:
;;     mov eax, 1
;;     leave
;;     ret
;; slow0:
;;     call qword [r15-0x1000]                     ; safe point: 0 slots, registers 0x1
;;     jmp L0
