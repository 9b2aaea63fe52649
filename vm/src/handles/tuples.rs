//! Tuples of values that calls and host functions take and give: of up to 16.

/// Calls a macro with a row for each tuple, the empty one first: a name for the type of each value, and its place.
macro_rules! for_each_tuple {
    ($tuples:ident) => {
        $tuples! {
            ;
            A 0;
            A 0, B 1;
            A 0, B 1, C 2;
            A 0, B 1, C 2, D 3;
            A 0, B 1, C 2, D 3, E 4;
            A 0, B 1, C 2, D 3, E 4, G 5;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12, O 13;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12, O 13, P 14;
            A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9, L 10, M 11, N 12, O 13, P 14, Q 15;
        }
    };
}
pub(super) use for_each_tuple;
