"""Writes docs/errors.md and its Chinese twin from the host's own table: ``python docs/generate_errors.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from hostdriver.outcomes import OUTCOMES, Outcome
from protocols.sw import SW

_MADE = "<!-- Made by docs/generate_errors.py from hostdriver/outcomes.py. Do not edit: run it again. -->\n"
_HEAD = """
# Errors

[简体中文](errors.zh-CN.md)

One trouble, five names: the number that a bank's program shows, the key's status word, what an SKF library and what a
PKCS#11 module answer, and what `vukey` ends with. A program over `hostdriver.token` catches the class in the last
column, whichever way it has reached the key.
"""
_TAIL = """
- *bank*: numbers and texts of one bank's published interface for keys of mobile phones; other banks have others.
- *SW*: 6FFx and some of the 6Axx are this project's choice (docs/facts.md G20 to G22).
- *SKF*: GM/T 0016, annex A, each name with SAR_ before it. The codes from 0A000033 on are makers' additions, and
  0B000011, *cancelled*, is a plug-in layer's (both assumed). Where several stand in a row, the function decides: which
  of application, container and file is missing, which of key and certificate.
- *PKCS#11*: v3.0 §5.1, each name with CKR_ before it. What a person did or did not do has hardly a value there; makers
  have values of their own ([pkcs11.md](pkcs11.md)).
- *exit*: [exit-codes.md](exit-codes.md).

A library's code that stands in several rows is read as the first of them, for the library does not tell more:
TIMEOUTERR of a busy key is exit code 10, NOTSUPPORTYETERR of a key that signs no digests 19. Only INDATAERR of
`V_SignMessage` is told apart: a message that the key cannot show. Where the last column says `ApduFailedError` or
`UnknownCommandError`, a library's code is `SkfFailedError` or `CryptokiError`, with the number in its line, and what
the library does not support a `NotSupportedError`. A code without a row is the same with exit code 1. To a signature
that does not fit `libskf_vukey` answers FAIL, since the standard names no code for that; the methods of
`hostdriver.skf` that verify answer False to either. Of a wrong PIN SKF tells how many tries are left, PKCS#11 only
whether it is the last one.

| the library itself | class | exit |
| --- | --- | --- |
| no such file, no SKF library, for another processor | `NotSkfError` | 23 |
| it does not have the function, or says NOTSUPPORTYETERR | `FunctionMissingError` | 19 |
| `--dialect` names no habit of SKF libraries | `HabitsError` | 2 |
| it hands out what cannot be: a size beyond all bounds, a point beside the curve | `AnswerError` | 19 |
"""


_HEAD_ZH = """
# 错误

[English](errors.md)

同一个问题有五种名称：银行程序显示的编号，USBKey的状态字，SKF库和PKCS#11模块的返回码，以及 `vukey` 的退出码。使用
`hostdriver.token` 的程序捕获最后一列的类即可，无论经哪种方式使用USBKey。
"""
_TAIL_ZH = """
- *银行*：某银行手机USBKey公开接口的编号和文字；其他银行另有规定。
- *SW*：6FFx和部分6Axx由本项目决定（[facts.md](facts.md)，英文，G20至G22）。
- *SKF*：GM/T 0016附录A，每个名称前面都有SAR_。0A000033起的返回码是厂商添加的，0B000011“取消”来自一个插件层
  （两者都是假定的）。同一行有几个时由函数决定：缺少的是应用、容器还是文件，是密钥还是证书。
- *PKCS#11*：v3.0 §5.1，每个名称前面都有CKR_。人做了什么或没做什么，那里几乎没有对应的值；厂商有自己的值
  （[pkcs11.zh-CN.md](pkcs11.zh-CN.md)）。
- *退出码*：[exit-codes.zh-CN.md](exit-codes.zh-CN.md)。

库的返回码出现在多行时，按第一行理解，因为库没有说得更多：USBKey忙时的TIMEOUTERR是退出码10，不对摘要签名的USBKey的
NOTSUPPORTYETERR是19。只有 `V_SignMessage` 的INDATAERR能够区分：USBKey无法显示的报文。最后一列是 `ApduFailedError` 或
`UnknownCommandError` 时，库的返回码是 `SkfFailedError` 或 `CryptokiError`，说明中有编号；库不支持的是
`NotSupportedError`。表中没有的返回码同样如此，退出码1。签名不相符时 `libskf_vukey` 返回FAIL，标准没有为此规定返回码；
`hostdriver.skf` 中用于验证的方法对两者都返回False。PIN错误时，SKF告知剩余次数，PKCS#11只告知是否只剩最后一次。

| 库本身 | 类 | 退出码 |
| --- | --- | --- |
| 没有该文件，不是SKF库，或适用于另一种处理器 | `NotSkfError` | 23 |
| 没有该函数，或返回NOTSUPPORTYETERR | `FunctionMissingError` | 19 |
| `--dialect` 写的不是SKF库的任何习惯 | `HabitsError` | 2 |
| 返回了不可能的内容：超出一切界限的长度，不在曲线上的点 | `AnswerError` | 19 |
"""
_CHINESE = {
    "wrong PIN": "PIN错误",
    "the PIN is locked": "PIN已锁定",
    "the initial PIN must be changed first": "须先修改初始PIN",
    "the new PIN breaks the key's rules": "新PIN不符合USBKey的规则",
    "a new PIN was typed in two ways": "两次输入的新PIN不同",
    "nobody has logged in": "没有登录",
    "cancelled on the key": "在USBKey上取消",
    "nobody pressed OK in time": "没有人及时按OK键",
    "the key is not activated": "USBKey未激活",
    "no tries are left for the activation code": "激活码的次数已用完",
    "wrong data": "数据错误",
    "data of a wrong length": "数据长度错误",
    "the key cannot show the message": "USBKey无法显示报文",
    "no such command or function": "没有该指令或函数",
    "this key signs no ready digests": "此USBKey不对现成的摘要签名",
    "SM1 and SSF33 are secret": "SM1和SSF33是保密的",
    "the key is busy": "USBKey忙",
    "no such application, container or file": "没有该应用、容器或文件",
    "no such key or certificate": "没有该密钥或证书",
    "it exists already": "已经存在",
    "no room": "没有空间",
    "a signature or cryptogram does not fit": "签名或密文不相符",
    "the key is gone": "USBKey已不在",
    "5 wrong PIN": "5 PIN错误",
    "0B PIN locked": "0B PIN已锁定",
    "12 default PIN": "12 默认PIN",
    "15 PIN length, 16 PIN too simple": "15 PIN长度，16 PIN过于简单",
    "20 new and confirmed PIN differ": "20 新PIN与确认PIN不同",
    "6 user cancelled": "6 用户取消",
    "7 timeout": "7 超时",
    "4 bad parameter": "4 参数错误",
    "3 busy": "3 忙",
    "8 no certificate": "8 没有证书",
    "2 no device, 14 disconnected": "2 没有设备，14 已断开",
    "": "",
}


class Page(NamedTuple):
    """One language's page.

    :param columns: the heads of the table's columns.
    :param words: a meaning, or a bank's text, in that language.
    """

    file: Path
    head: str
    columns: tuple[str, ...]
    tail: str
    words: Mapping[str, str] | None = None

    def text(self) -> str:
        """The whole page."""
        return "\n".join((_MADE + self.head, *self._table())) + "\n" + self.tail

    def _table(self) -> Iterator[str]:
        yield f"| {' | '.join(self.columns)} |"
        yield "| " + " | ".join("---" for _ in self.columns) + " |"
        for outcome in OUTCOMES:
            error = outcome.error()
            cells = (
                self._word(outcome.meaning),
                self._word(outcome.bank),
                _status_word(outcome),
                _names(outcome.sars, digits=8),
                _names(outcome.ckrs, digits=1),
                f"{error.exit_code.value} `{error.exit_code.name}`",
                f"`{type(error).__name__}`",
            )
            yield f"| {' | '.join(cells)} |"

    def _word(self, english: str) -> str:
        return self.words[english] if self.words else english


_HERE = Path(__file__).parent
PAGES = (
    Page(_HERE / "errors.md", _HEAD, ("meaning", "bank", "SW", "SKF", "PKCS#11", "exit", "class"), _TAIL),
    Page(
        _HERE / "errors.zh-CN.md",
        _HEAD_ZH,
        ("含义", "银行", "SW", "SKF", "PKCS#11", "退出码", "类"),
        _TAIL_ZH,
        _CHINESE,
    ),
)


def _status_word(outcome: Outcome) -> str:
    if outcome.sw is None:
        return ""
    return "63Cx" if outcome.sw == SW.PIN_WRONG else f"{outcome.sw:04X}"


def _names(codes: Sequence[IntEnum], digits: int) -> str:
    return ", ".join(f"{code.name} {code.value:0{digits}X}" for code in codes)


if __name__ == "__main__":
    for page in PAGES:
        page.file.write_text(page.text(), "utf-8")
