"""A researcher brings the openrc file that the dashboard gave out, or one that was edited since."""

import contextlib
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pouta import openrc
from pouta.errors import ConfigurationError

PASSWORD_FORM = """\
#!/usr/bin/env bash
export OS_AUTH_URL=https://pouta.csc.fi:5001/v3
export OS_PROJECT_ID=0123456789abcdef0123456789abcdef
export OS_PROJECT_NAME="project_2001234"
export OS_USER_DOMAIN_NAME="Default"
if [ -z "$OS_USER_DOMAIN_NAME" ]; then unset OS_USER_DOMAIN_NAME; fi
export OS_PROJECT_DOMAIN_ID="default"
if [ -z "$OS_PROJECT_DOMAIN_ID" ]; then unset OS_PROJECT_DOMAIN_ID; fi
unset OS_TENANT_ID
unset OS_TENANT_NAME
export OS_USERNAME="joonatol"
echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME as user $OS_USERNAME: "
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
export OS_REGION_NAME="regionOne"
if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
"""
PASSWORD_VARIABLES = {
    "OS_AUTH_URL": "https://pouta.csc.fi:5001/v3",
    "OS_IDENTITY_API_VERSION": "3",
    "OS_INTERFACE": "public",
    "OS_PROJECT_DOMAIN_ID": "default",
    "OS_PROJECT_ID": "0123456789abcdef0123456789abcdef",
    "OS_PROJECT_NAME": "project_2001234",
    "OS_REGION_NAME": "regionOne",
    "OS_USERNAME": "joonatol",
    "OS_USER_DOMAIN_NAME": "Default",
}
CREDENTIAL_FORM = """\
#!/usr/bin/env bash

export OS_AUTH_TYPE=v3applicationcredential
export OS_AUTH_URL=https://pouta.csc.fi:5001/v3
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME="regionOne" # Depends if you are using cPouta or ePouta
export OS_INTERFACE=public
export OS_APPLICATION_CREDENTIAL_ID=xxxxxxxxxxxxxxxxxxxxxx
export OS_APPLICATION_CREDENTIAL_SECRET=xxxxxxxxxxxxxxxxxxx
"""


@pytest.fixture
def read(tmp_path):
    def read(text, environment=None):
        file = tmp_path / "openrc.sh"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return openrc.read(file, environment or {})

    return read


def bash(text, environment=None, typed=""):
    """The environment after bash sourced the text, in a folder where nothing can be spoilt."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "openrc.sh").write_bytes(text.encode())
        done = subprocess.run(
            ["/bin/bash", "-c", ". ./openrc.sh >/dev/null; /usr/bin/env -0"],
            cwd=folder,
            env={"PATH": "/nowhere", **(environment or {})},
            input=typed.encode(),
            capture_output=True,
            timeout=20,
        )
        left = [file.name for file in Path(folder).iterdir()]
    assert left == ["openrc.sh"], "bash was given a file that writes"
    pairs = (pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)
    return {name: value for name, value in pairs if name.startswith("OS_")}


def test_the_dashboards_file_has_everything_but_the_password(read):
    found = read(PASSWORD_FORM, {"OS_TENANT_NAME": "stale"})
    assert found.variables == PASSWORD_VARIABLES
    assert found.asked == {"OS_PASSWORD"}
    assert found.unset == {"OS_TENANT_ID", "OS_TENANT_NAME"}
    typed = bash(PASSWORD_FORM, {"OS_TENANT_NAME": "stale"}, typed="hunter2\n")
    assert typed == PASSWORD_VARIABLES | {"OS_PASSWORD": "hunter2"}


def test_the_application_credentials_file_asks_for_nothing(read):
    found = read(CREDENTIAL_FORM)
    assert found.variables == bash(CREDENTIAL_FORM)
    assert found.variables["OS_REGION_NAME"] == "regionOne"
    assert not found.asked
    assert not found.unset


def test_a_file_that_was_saved_on_windows(read):
    assert read(b"\xef\xbb\xbf" + PASSWORD_FORM.replace("\n", "\r\n").encode()) == read(
        PASSWORD_FORM
    )


def test_secrets_are_not_in_the_repr(read):
    found = read("export OS_PASSWORD=hunter2 OS_TOKEN=gAAAA OS_APPLICATION_CREDENTIAL_SECRET=s3c")
    assert found.variables["OS_PASSWORD"] == "hunter2"
    for secret in ("hunter2", "gAAAA", "s3c"):
        assert secret not in repr(found)


VALUES = {
    "plain": "plain",
    "p#w": "p#w",
    "p=secret": "p=secret",
    "value # a comment": "value",
    "''": "",
    "": "",
    "'a b'": "a b",
    '"a b"': "a b",
    "'$HOME `x` $(touch pwned) \\'": "$HOME `x` $(touch pwned) \\",
    r'"\$HOME \`x\` \"q\" \\ \n"': r'$HOME `x` "q" \ \n',
    r"a\ b\'c\"d\$e\\f\#g": "a b'c\"d$e\\f#g",
    "'it'\\''s'": "it's",
    "pre'mid 'post\" end\"": "premid post end",
    "$": "$",
    "$US\\\nER": "joonatol",
    'pa$.x"$"': "pa$.x$",
    "$USER-${USER}_$USER_": "joonatol-joonatol_",
    "'$USER'": "$USER",
    "${NOBODY}x$NOBODY": "x",
    "${USER:-other}${NOBODY:-other}${EMPTY:-other}": "joonatolotherother",
    "${EMPTY-other}${NOBODY-other}": "other",
    '"${NOBODY:-is it $USER}"': "is it joonatol",
    '${NOBODY:-${EMPTY:-"a b" c}}': "a b c",
    "~/cert.pem": "/home/joonatol/cert.pem",
    "~": "/home/joonatol",
    "a~b": "a~b",
    "one\\\ntwo": "onetwo",
    '"one\ntwo"': "one\ntwo",
    '"one\\\ntwo"': "onetwo",
    "'one\\\ntwo'": "one\\\ntwo",
    "ä€!%^*?[x]@,+}": "ä€!%^*?[x]@,+}",
}


@pytest.mark.parametrize("written", VALUES)
def test_a_value_means_what_it_means_in_bash(read, written):
    environment = {"USER": "joonatol", "HOME": "/home/joonatol", "EMPTY": ""}
    text = f"export OS_VALUE={written}\n"
    assert read(text, environment).variables == {"OS_VALUE": VALUES[written]}
    assert bash(text, environment) == {"OS_VALUE": VALUES[written]}


FILES = {
    "set before export": "OS_A=1\nexport OS_A",
    "not exported": "OS_A=1; export OS_B=2",
    "exported already": "OS_HERE=1",
    "an old value": "export OS_HERE",
    "several": "export OS_A=1 OS_B='2 3' OS_C",
    "one by one": "OS_A=1 OS_B=$OS_A; export OS_A OS_B",
    "all at once": "OS_A=1; export OS_A=2 OS_B=$OS_A",
    "quoted whole": 'export "OS_A=b c"',
    "set -a": "set -a\nOS_A=1\nset +a\nOS_B=2",
    "set -o allexport": "set -o allexport; OS_A=1; set +o allexport; OS_B=2",
    "export first": "export OS_A\nOS_A=1",
    "unset takes the export away": "export OS_A=1\nunset OS_A OS_HERE\nOS_A=2\nexport OS_B=3",
    "continued": "export \\\n  OS_A=1 \\\n  OS_B=2",
    "name cut in two": "export OS_\\\nA=1",
    "separators": "export OS_A=1;export OS_B=2 ; export OS_C=3;\n\n: x; echo hi",
    "indented": "\t export  OS_A=1\t # one\n   # two",
    "elif": """
        if [ "$OS_HERE" = "no" ]; then export OS_A=1
        elif [[ $OS_HERE != there ]]; then
            export OS_A=2
        elif [ -n "$OS_HERE" ]
        then
            if [ "$OS_HERE" == there ]; then export OS_A=3; else export OS_A=4; fi
        else export OS_A=5; fi; export OS_B=6
        """,
    "else": 'if [ -z "$OS_HERE" ]; then\n export OS_A=1\nelse\n export OS_A=2\nfi',
    "dead branches": """
        if [ -n "$NOBODY" ]; then
            for x in a; do openstack token issue; done
            if [ -f x ]; then export OS_A=1; elif [ -z "" ]; then exit 1; else exit 2; fi
        fi
        export OS_B=2
        """,
    "unquoted and empty": "if [ -n $NOBODY ]; then export OS_A=1; fi; export OS_B=2",
    "a bare word": 'if [ "$OS_HERE" ]; then export OS_A=1; fi',
    "only when missing": 'if [ -z "$OS_HERE" ]; then read -s OS_HERE; fi; export OS_A=$OS_HERE',
    "last backslash": "export OS_A=1\\",
    "no last newline": "export OS_A=1",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_means_what_it_means_in_bash(read, name):
    environment = {"OS_HERE": "there"}
    found = read(FILES[name], environment)
    kept = {key: value for key, value in environment.items() if key not in found.unset}
    assert kept | found.variables == bash(FILES[name], environment)


@pytest.mark.parametrize(
    "line",
    [
        "read OS_PASSWORD",
        "read -s -r -p 'Password: ' OS_PASSWORD",
        'read -srp "Password of $OS_USERNAME: " OS_PASSWORD',
        "read -p'Password: ' OS_PASSWORD",
        "read typed; OS_PASSWORD=${typed:-none}",
        'read typed; if [ -z "$typed" ]; then unset OS_USERNAME; fi; OS_PASSWORD="$typed"',
    ],
)
def test_what_is_read_is_asked_for(read, line):
    text = f"export OS_USERNAME=me\n{line}\nexport OS_PASSWORD"
    found = read(text)
    assert (found.variables, found.asked) == ({"OS_USERNAME": "me"}, {"OS_PASSWORD"})
    assert bash(text, typed="hunter2\n") == {"OS_USERNAME": "me", "OS_PASSWORD": "hunter2"}


REFUSED = {
    "export OS_PASSWORD=$(touch pwned)": "`$(…)` needs a shell",
    'echo "$(touch pwned)"': "`$(…)` needs a shell",
    "echo $(date)": "`$(…)` needs a shell",
    "export OS_A=`touch pwned`": "a backtick would run a command",
    'export OS_A="`touch pwned`"': "a backtick would run a command",
    "export OS_A=$((1+1))": "`$(…)` needs a shell",
    "export OS_A=$[1+1]": "`$[…]` needs a shell",
    "export OS_A=${B//a/b}": "`${…}` needs a shell",
    "export OS_A=${#B}": "`${…}` needs a shell",
    "export OS_A=${B:=a}": "`${…}` needs a shell",
    "export OS_A=${B:-$(touch pwned)}": "`$(…)` needs a shell",
    "export OS_A=${B:-{a}}": "`${…}` holds more",
    'export OS_A="${B:-it\'s}"': "`${…}` holds more",
    "export OS_A=${B:-": "`${…}` holds more",
    "export OS_A=" + "${B:-" * 500: "`${…}` holds more",
    "export OS_PASSWORD=$'hunter2'": "`$'` needs a shell",
    'export OS_PASSWORD="hunter$2"': "`$2` needs a shell",
    "export OS_A=a{b,c}": "`{` outside quotes",
    "export OS_A=~hunter2": "`~` outside quotes",
    "export OS_A=$NOBODY~": "`~` outside quotes",
    "export OS_A=$\\\n(touch pwned)": "`$\\` needs a shell",
    "export OS_A=${BASH_SOURCE}": "`$BASH_SOURCE` needs a shell",
    "export OS_A=a:~/b": "`~` outside quotes",
    "cat x | sh": "`|` outside quotes",
    "export OS_PASSWORD=hunter&2": "`&` outside quotes",
    "true && export OS_A=1": "`&` outside quotes",
    "true || export OS_A=1": "`|` outside quotes",
    "echo hi > pwned": "`>` outside quotes",
    "cat <<END": "`<` outside quotes",
    "login() { touch pwned; }": "`(` outside quotes",
    "{ touch pwned; }": "`{` outside quotes",
    "function login": "`function` needs a shell",
    "source ./more.sh": "`source` needs a shell",
    ". ./more.sh": "`.` needs a shell",
    "eval hunter2": "`eval` needs a shell",
    "for x in a b; do touch pwned; done": "`for` needs a shell",
    "while true; do touch pwned; done": "`while` needs a shell",
    "printf 'x'": "`printf` needs a shell",
    "exit 1": "`exit` needs a shell",
    "case a in esac;; ": "`case` needs a shell",
    ":;; export OS_A=1": "a `;` with nothing before it",
    "touch pwned": "this command needs a shell",
    "OS_PASSWORD=hunter;2": "this command needs a shell",
    "OS_PASSWORD=hunter 2": "more words after a value",
    "export OS_PASSWORD=hunter 2": "not a name follows `export`",
    "export -n OS_A": "not a name follows `export`",
    "unset -f OS_A": "not a name follows `unset`",
    "set -e": "`set` with more than",
    "read": "`read` with more than",
    "read A B": "`read` with more than",
    "read -t 5 A": "`read` with more than",
    "read -sr A; export OS_A=x$A": "joins what is typed in",
    "read A; if [ $A = yes ]; then export OS_A=1; fi": "a test other than",
    "if [ -f x ]; then export OS_A=1; fi": "a test other than",
    "if [ -z a -a -z b ]; then export OS_A=1; fi": "a test other than",
    "if openstack; then export OS_A=1; fi": "a test other than",
    "if [ $SPACED = a ]; then export OS_A=1; fi": "stands without quotes",
    "if [[ a = a* ]]; then export OS_A=1; fi": "stands without quotes",
    "if [ -z a ]; export OS_A=1; fi": "a `then` is missing",
    "fi": "`fi` is out of place",
    "else": "`else` is out of place",
    "if [ -z a ]; then :; else :; else :; fi": "`else` is out of place",
    "if [ -z a ]; then": "has no `fi`",
    "export OS_A='hunter2\n\n": "the ' quote that begins here never ends",
    'export OS_A="hunter2\n\n': 'the " quote that begins here never ends',
    "export OS_A=" + "hunter2" * 5000: "a value longer than",
}


@pytest.mark.parametrize("line", REFUSED, ids=range(len(REFUSED)))
def test_what_needs_a_shell_is_refused_with_its_line(read, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as refused:
        read(f"#!/bin/bash\nexport OS_USERNAME='a\nb'\n{line}\n", {"SPACED": "a b"})
    assert refused.value.hint
    said = f"{tmp_path}/openrc.sh, line 4: "
    assert refused.value.message.startswith(said)
    assert REFUSED[line] in refused.value.message
    assert "hunter" not in f"{refused.value}"
    assert [file.name for file in tmp_path.iterdir()] == ["openrc.sh"], "something was run"


def test_the_line_is_where_the_construct_stands(read):
    text = """\
# ' " $(
A='1
2' B=\\
"3"

if [ -z "" ]
then C=$(touch pwned)
fi"""
    with pytest.raises(ConfigurationError, match=r"line 7: `\$\(…\)`"):
        read(text)


def test_a_value_that_doubles_on_every_line_ends_soon(read):
    with pytest.raises(ConfigurationError, match="line 16: a value longer than"):
        read("A=x\n" + "A=$A$A\n" * 100_000)


@pytest.mark.timeout(120)  # work that grew with the square of the size would take an hour
@pytest.mark.parametrize(
    "unit", ["A=$OS_B$OS_B\n", "\\a", "a~", "''", '"', "if [ a ]\nthen\n", "\\\n"]
)
def test_a_large_file_comes_to_an_end(read, unit):
    value = "x" * 16_000
    try:
        file = read(f"export OS_B={value}\n" + unit * (1_000_000 // len(unit)))
    except ConfigurationError as error:
        assert ", line " in str(error)
    else:
        assert file.variables["OS_B"] == value


def test_what_is_no_openrc_file_is_told_plainly(read, tmp_path):
    def refused(path):
        with pytest.raises(ConfigurationError) as error:
            openrc.read(path)
        return f"{error.value}"

    assert "There is no openrc file" in refused(tmp_path / "missing.sh")
    assert "is not a file" in refused(tmp_path)
    assert "is not a file" in refused("/dev/zero")
    assert "cannot be read" in refused("~nobody-has-this-name/openrc.sh")
    assert "cannot be read" in refused("a\0b")
    for content, said in {
        b"x" * (1024 * 1024 + 1): "larger than 1 MiB",
        b"\x7fELF\0": "not a text file",
        b"export A=1\nexport OS_A=hunter2\xe4\n": "line 2: not UTF-8 text",
        b"OS_USERNAME=me": "exports nothing",
    }.items():
        with pytest.raises(ConfigurationError, match=said) as error:
            read(content)
        assert error.value.__cause__ is error.value.__context__ is None


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "openrc.sh").write_text("export OS_CACERT=~/ca.pem\n")
    assert openrc.read("~/openrc.sh").variables == {"OS_CACERT": f"{tmp_path}/ca.pem"}


def in_double_quotes(text):
    return '"' + "".join("\\" + c if c in '$`"\\' else c for c in text) + '"'


PIECES = st.one_of(
    st.sampled_from(list(" \t'\"\\$#=:~!%^*?[]-+,.@/(){}<>|&`aB0_éÄ\v")),
    st.sampled_from(
        ["$OS_A", "${OS_B}", "${OS_C:-", "${NONE-", "}", "\\\n", "''", '""', "\n", "~/"]
    ),
    st.text("aB0_ .é", max_size=4).map(shlex.quote),
    st.text("aB0_ .$`\"'\\é", max_size=6).map(in_double_quotes),
)
STATEMENTS = st.builds(
    "{}{}={}{}".format,
    st.sampled_from(["export ", "", "  export  ", "export OS_D ", "OS_D=1 "]),
    st.sampled_from(["OS_A", "OS_B", "OS_C"]),
    st.lists(PIECES, max_size=6).map("".join),
    st.sampled_from(["\n", ";", " # comment\n", "\n\n"]),
)


def agrees_with_bash(text):
    environment = {"OS_B": "b b", "HOME": "/home/joonatol"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openrc.sh"
        file.write_text(text, newline="")
        found = openrc.read(file, environment)
    assert {"OS_B": "b b"} | found.variables == bash(text, environment)


@settings(max_examples=400, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=4).map("".join))
def test_whatever_is_read_is_read_as_bash_reads_it(text):
    with contextlib.suppress(ConfigurationError):
        agrees_with_bash(text + "export OS_END=1\n")


QUOTED = st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.lists(QUOTED, min_size=1, max_size=5), st.booleans())
def test_every_value_can_be_written_in_quotes(values, single):
    quote = shlex.quote if single else in_double_quotes
    lines = [f"export OS_{n}={quote(value)} # {n}\n" for n, value in enumerate(values)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openrc.sh"
        file.write_text("".join(lines), newline="", encoding="utf-8")
        found = openrc.read(file)
    assert found.variables == {f"OS_{n}": value for n, value in enumerate(values)}
    assert found.variables == bash("".join(lines))


SCRAPS = st.sampled_from(
    [
        *("if", "then", "elif", "else", "fi", "[", "]", "[[", "]]", "-z", "-n", "=", "!="),
        *("export", "unset", "read", "-s", "-p", "set", "-a", "echo", ":", "OS_A=", "$OS_A"),
        *("${OS_A:-", "$(", "`", "{", "}", ";", " ", "\n", "\\", "'", '"', "#", "\0", "\r\n", "~"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(), st.lists(SCRAPS).map("".join), st.lists(SCRAPS).map(" ".join)))
def test_no_text_is_too_odd(text):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openrc.sh"
        file.write_bytes(text.encode(errors="surrogatepass"))
        try:
            found = openrc.read(file)
        except ConfigurationError as refused:
            assert str(file) in refused.message
        else:
            assert all(name.startswith("OS_") for name in found.variables)
