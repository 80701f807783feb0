#!/usr/bin/env bats
# libbolt as WebAssembly: the page in headless Chromium, the package in Node and in a page, the kernels. The packages of
# package.json come from npm; CHROMIUM names another browser.

load ../cli/helpers

setup_file() {
    export WEB_TOOLS=$ROOT/build/web/tools PAGE=$BATS_FILE_TMPDIR/page
    CHROMIUM=$(command -v "${CHROMIUM:-chromium}") || true
    export CHROMIUM
    [ -z "$(lacks)" ] || return 0
    if ! cmp -s "$ROOT/tests/web/package.json" "$WEB_TOOLS/package.json"; then
        mkdir -p "$WEB_TOOLS"
        cp "$ROOT/tests/web/package.json" "$WEB_TOOLS"
        npm install --prefix "$WEB_TOOLS" --no-audit --no-fund --silent || rm "$WEB_TOOLS/package.json"
    fi
    small_data "$BATS_FILE_TMPDIR/data"
    small_train "$BATS_FILE_TMPDIR/data" "$BATS_FILE_TMPDIR/run" --steps 300
    for embed in q8 f16; do
        "$BUILD/export" -q "$BATS_FILE_TMPDIR/run" --vocab "$BATS_FILE_TMPDIR/data/vocab.db" --embed $embed \
            -o "$BATS_FILE_TMPDIR/$embed.bolt"
    done
    make -s -C "$ROOT" CONFIG=web PAGE="$PAGE" PACKAGE="$BATS_FILE_TMPDIR/package" MODEL="$BATS_FILE_TMPDIR/q8.bolt" \
        ABOUT="From a \"test\", <b>not</b> & yet." page
    "$BUILD/sample" "$BATS_FILE_TMPDIR/q8.bolt" -p "Once upon a time" --seed 7 -n 120 > "$BATS_FILE_TMPDIR/story"
}

# lacks: prints what is needed and not there, if anything is.
lacks() {
    for program in clang-19 wasm-ld-19 node npm "${CHROMIUM:-chromium}"; do
        command -v "$program" > /dev/null || echo "$program"
    done
    [ -d "$ROOT/build/sources/utf8proc" ] || echo "source of utf8proc"
}

setup() {
    missing=$(lacks | xargs)
    [ -z "$missing" ] || skip "no $missing: run make deps GROUPS='web browser'"
    [ -f "$WEB_TOOLS/package.json" ] || skip "npm did not bring the tools"
    cd "$BATS_FILE_TMPDIR" || return
}

check() {
    run node "$ROOT/tests/web/check.mjs" "$@"
    [ "$status" -eq 0 ] || flunk "$output"
}

@test "page: the stories of sample, in both kinds of arithmetic" {
    for math in int8 exact; do
        for seed in 0 7; do
            "$BUILD/sample" q8.bolt -p "Once upon a time" --math $math --seed $seed -n 120 > told
            check story told $math $seed
        done
    done
}

@test "page: a story comes bit by bit, or word by word, with its speed" {
    [ "$("$BUILD/sample" -q q8.bolt -p "Once upon a time" -t 0 -n 20 | wc -w)" -gt 8 ] ||
        flunk "the likeliest story has no words: it is no test of their pace"
    check streaming
}

@test "page: a story is stopped by the button and by Escape" {
    [ "$("$BUILD/sample" --json -q q8.bolt -p "Once upon a time" -t 0 -n 5000 | jq .n_tokens)" = 5000 ] ||
        flunk "the likeliest story ends: it is no test of stopping"
    check stop
}

@test "page: of a damaged file that is dropped, our sentence" {
    head -c 5000 q8.bolt > damaged.bolt
    sentence=$("$BUILD/sample" damaged.bolt 2>&1 < /dev/null) || true
    check damaged damaged.bolt "${sentence#sample: }"
}

@test "page: another model, dropped or chosen" {
    check dropped f16.bolt "$("$BUILD/export" --info f16.bolt --json | jq -r .fingerprint)"
}

@test "page: a model that the address names" { check named; }

@test "page: without a model it waits for one" {
    make -s -C "$ROOT" CONFIG=web PAGE="$PWD/bare" PACKAGE="$PWD/package" MODEL= page
    [ ! -e bare/model.bolt ]
    check bare "$PWD/bare" "$PWD/q8.bolt"
}

@test "page: fields out of their range, a prompt of any length" { check fields; }

@test "page: all of it by the keyboard" { check keyboard; }

@test "page: axe-core finds nothing, at two widths, light and dark" { check accessible; }

@test "page: nothing is wider than the window" {
    mkdir -p "$ROOT/build/web/pictures"
    check pictures "$ROOT/build/web/pictures"
}

@test "page: a browser without SIMD is told so" { check without_simd; }

@test "page: as one file on a disk it asks for nothing" { check alone story; }

@test "page: where the model comes from is shown as it was given" {
    grep -qF 'data-about="From a &quot;test&quot;, &lt;b>not&lt;/b> &amp; yet."' page/index.html
}

@test "package: packed, installed, used in Node" {
    (cd package && npm pack --silent --pack-destination .. > /dev/null)
    tar -tzf flashlm-bolt-*.tgz | sort > files
    printf 'package/%s\n' LICENSE README.md bolt.d.ts bolt.js bolt.wasm package.json | LC_ALL=C sort | cmp - <(LC_ALL=C sort files)
    [ "$(jq -r .version package/package.json)" = "$("$BUILD/sample" --version | grep -o '[0-9.]*$')" ]
    mkdir -p app
    cp "$ROOT/tests/web/package-test.mjs" app
    echo '{"type": "module"}' > app/package.json
    npm install --prefix app --offline --no-audit --no-fund --silent ./flashlm-bolt-*.tgz
    ARGUMENTS=$PWD/q8.bolt$'\n'$PWD/story run node --test app/package-test.mjs
    [ "$status" -eq 0 ] || flunk "$output"
}

@test "package: as <script type=module>" {
    [ -d app/node_modules/flashlm-bolt ] || skip "the package is not installed"
    cp -R app/node_modules/flashlm-bolt script
    cp q8.bolt script/model.bolt
    check script story "$PWD/script"
}

@test "package: the scripts parse, and the types fit a program" {
    for script in bolt.js worker.js page.js; do node --check "page/$script"; done
    cp "$ROOT/tests/web/example.ts" app
    run node "$WEB_TOOLS/node_modules/typescript/bin/tsc" --noEmit --strict --target es2022 --module nodenext \
        --moduleResolution nodenext --lib es2022,dom,dom.iterable app/example.ts
    [ "$status" -eq 0 ] || flunk "$output"
}

@test "module: every code point becomes what it becomes for sample, in every form" {
    node "$ROOT/tests/web/unicode-test.mjs" lines > lines
    for form in nfc nfkc none; do
        "$BUILD/prep" -q -o "$form" --vocab-size 400 --normalize $form --valid data/valid.txt data/train.txt
        small_train "$form" "$form/run" --steps 1
        "$BUILD/export" -q "$form/run" --vocab "$form/vocab.db" -o "$form.bolt"
        "$BUILD/sample" --json -q "$form.bolt" -n 1 < lines > said
        run node "$ROOT/tests/web/unicode-test.mjs" "$form.bolt" page/bolt.js lines < said
        [ "$status" -eq 0 ] || flunk "$form: ${output:0:1500}"
    done
}

@test "module: at most 120 KB when gzipped" {
    n=$(gzip -9c page/bolt.wasm | wc -c)
    [ "$n" -le 122880 ] || flunk "$n bytes"
}

@test "module: every kernel gives what plain C gives" {
    make -s -C "$ROOT" CONFIG=web build/web/kern.wasm
    for seed in 1 $RANDOM; do
        run node "$ROOT/tests/web/wasi.mjs" "$ROOT/build/web/kern.wasm" "$seed"
        [ "$status" -eq 0 ] || flunk "seed $seed: $output"
        contains "$output" "int8_tern_pack"
    done
}
