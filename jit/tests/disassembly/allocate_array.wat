;;! loops
;; Arrays of a length that is only known when the loop runs, and of one that is written in the code.
(module
  (type $bytes (array (mut i8)))
  (type $longs (array (mut i64)))
  (global $kept (mut (ref null any)) (ref.null any))
  (func (export "run") (param $n i32)
    (loop $again
      (drop (array.new_default $bytes (local.get $n)))
      (drop (array.new_fixed $longs 2 (i64.const 7) (i64.extend_i32_s (local.get $n))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; Code of "run", its loops of 188 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, ebx
;; L3:
;;     lea r11d, [rax-1]
;;     cmp r11d, 0x7FF7
;;     jae slow3
;;     mov r11d, eax
;;     add r11d, 0xF
;;     and r11d, 0xFFFFFFF8
;;     shr r11d, 2
;;     mov ecx, r12d
;;     add r12d, r11d
;;     cmp r12d, [r15-8]
;;     ja slow2
;;     mov dword [r15+rcx*4], 0                    ; header of type 0
;;     mov [r15+rcx*4+4], eax
;;     xorps xmm15, xmm15
;;     mov r11d, r12d
;;     add ecx, 6
;;     cmp r11d, ecx
;;     jb L5
;; L4:
;;     movups [r15+r11*4-0x10], xmm15
;;     sub r11d, 4
;;     cmp r11d, ecx
;;     jae L4
;; L5:
;;     sub ecx, 4
;;     cmp r11d, ecx
;;     je L6
;;     movsd [r15+rcx*4], xmm15
;; L6:
;;     sub ecx, 2
;; L7:
;;     movsxd rax, ebx
;; L8:
;;     mov ecx, r12d
;;     add r12d, 6
;;     cmp r12d, [r15-8]
;;     ja slow4
;;     mov dword [r15+rcx*4], 0                    ; header of type 1
;;     mov dword [r15+rcx*4+4], 2
;;     mov qword [r15+rcx*4+8], 7
;;     mov [r15+rcx*4+0x10], rax
;;     sub ebx, 1
;;     jne L1
