;;! loops
;; An object is made by moving the pointer of the nursery; the slow path is out of line.
(module
  (type $node (struct (field $value i64) (field $next (ref null $node))))
  (func (export "run") (param $n i32) (result (ref null $node)) (local $list (ref null $node))
    (loop $again
      (local.set $list (struct.new $node (i64.extend_i32_u (local.get $n)) (local.get $list)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $list)))
;; Code of "run", its loops of 54 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, ebx
;; L3:
;;     mov ecx, r12d
;;     add r12d, 6
;;     cmp r12d, [r15-8]
;;     ja slow2
;;     mov dword [r15+rcx*4], 0                    ; header of type 0
;;     mov [r15+rcx*4+8], rax
;;     mov [r15+rcx*4+0x10], esi
;;     mov esi, ecx
;;     sub ebx, 1
;;     jne L1
