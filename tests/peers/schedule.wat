;; The system contract of the tests' chain: it does what `setprods` and `activate` ask, and lets every other action
;; pass. The data of both actions is exactly what the host functions take.
(module
  (import "env" "action_data_size" (func $action_data_size (result i32)))
  (import "env" "read_action_data" (func $read_action_data (param i32 i32) (result i32)))
  (import "env" "set_proposed_producers_ex" (func $set_proposed_producers_ex (param i64 i32 i32) (result i64)))
  (import "env" "preactivate_feature" (func $preactivate_feature (param i32)))
  (memory (export "memory") 1)

  (func $read (result i32)
    (call $read_action_data (i32.const 0) (call $action_data_size)))

  (func (export "apply") (param $receiver i64) (param $code i64) (param $action i64)
    ;; the name `setprods` as a number; 1 is the format with signing authorities
    (if (i64.eq (local.get $action) (i64.const -4417085855374508032))
      (then (drop (call $set_proposed_producers_ex (i64.const 1) (i32.const 0) (call $read)))))
    ;; the name `activate` as a number
    (if (i64.eq (local.get $action) (i64.const 3617214701412286464))
      (then (drop (call $read)) (call $preactivate_feature (i32.const 0))))))
