;;! loops
;; Results of blocks and an `if` that chooses a value: where ways meet, values stay in the registers that they are in.
(module
  (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum
        (i32.add (local.get $sum)
          (if (result i32) (i32.gt_s (local.get $n) (i32.const 100))
            (then (i32.shl (local.get $n) (i32.const 1)))
            (else (select (i32.const 3) (local.get $sum) (i32.and (local.get $n) (i32.const 1)))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))
;; Code of "run", its loops of 56 bytes:
;; L1:
;;     cmp rsp, [r15-0x10]
;;     jb slow1
;; L2:
;;     cmp ebx, 0x64
;;     mov eax, r10d
;;     jle L3
;;     mov ecx, ebx
;;     shl ecx, 1
;;     jmp L4
;; L3:
;;     mov ecx, ebx
;;     and ecx, 1
;;     mov ecx, 3
;;     cmove ecx, r10d
;; L4:
;;     mov r10d, eax
;;     add r10d, ecx
;;     sub ebx, 1
;;     jne L1
