;;! loops
;; `br_table`: one compare, one jump through a table that stands behind the code.
(module
  (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (block $default (block $two (block $one (block $zero
        (br_table $zero $one $two $default (i32.and (local.get $n) (i32.const 7))))
        (local.set $sum (i32.add (local.get $sum) (i32.const 5))) (br $default))
        (local.set $sum (i32.mul (local.get $sum) (i32.const 3))) (br $default))
        (local.set $sum (i32.xor (local.get $sum) (i32.const 9))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
;; Code of "run", its loops of 70 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     mov eax, r10d
;;     and eax, 7
;;     mov r11d, 3
;;     cmp eax, r11d
;;     cmova eax, r11d
;;     lea r11, [rel constant]
;;     movsxd rax, [r11+rax*4]
;;     add rax, r11
;;     jmp rax
;;     add ebx, 5
;;     jmp L3
;;     imul ebx, 3
;;     jmp L3
;;     xor ebx, 9
;; L3:
;;     sub r10d, 1
;;     jne L1
