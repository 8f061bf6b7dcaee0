// The end of a search over the trellis: from the last state of the best path back to its first. The code is
// written from its last word to its first.
// `choice_before(row, symbol, group)` is the number, in its group, of the state before the symbol.
// `store_word(row, word, value)` takes the words that the code consists of.
// needs: SYMBOLS, CODE_WORDS, STATE_BITS, symbol_at, latents, nearest, choice_before, store_word
// gives: trace_back

fn trace_back(row: u32, region: u32, first: u32, last: u32) {
    var state = last;
    var word = CODE_WORDS - 1u;
    var filled = 0u;
    for (var i = SYMBOLS; i > 0u; i--) {
        let symbol = symbol_at(region * SYMBOLS + i - 1u);
        let width = symbol.bits;
        if width == 0u {
            continue;
        }
        var code: u32;
        if symbol.stride == 0u {
            let z = latents[first + symbol.latent];
            code = nearest(z, symbol);
        } else {
            // A symbol's own bits are the most significant ones of its window.
            code = state >> (STATE_BITS - width);
            let group = state & ((1u << (STATE_BITS - width)) - 1u);
            state = group << width | choice_before(row, symbol, group);
        }
        let start = symbol.end - width;
        while 32u * word >= symbol.end {
            store_word(row, word, filled);
            word--;
            filled = 0u;
        }
        if start < 32u * word {
            store_word(row, word, filled | code >> (32u * word - start));
            word--;
            filled = 0u;
        }
        filled |= code << (start % 32u);
    }
    for (; word > 0u; word--) {
        store_word(row, word, filled);
        filled = 0u;
    }
    // The number of the row's region is its first bits.
    store_word(row, 0u, filled | region);
}
