import { expect, test } from 'vitest'
import { shownText } from './log-text'

test.each([
  ['plain', 'GET / 200\t3 ms', 'GET / 200\t3 ms'],
  ['colours', '\u001b[1;31mERROR\u001b[0m gone', 'ERROR gone'],
  ['cursor and lines erased', '\u001b[2K\u001b[1Gpull 40 %', 'pull 40 %'],
  ['a title and a link', '\u001b]0;title\u0007a \u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\', 'a link'],
  ['a string without an end takes the rest of the line only', 'a\u001b]0;open', 'a'],
  ['short ones', '\u001b(B\u001b=ok\u001b7', 'ok'],
  ['an escape at the end', 'a\u001b', 'a␛'],
  ['a carriage return at the end, and one inside', 'a\rb\r', 'a␍b'],
  ['other controls are seen', 'a\u0000b\u0008c\u007f', 'a␀b␈c␡'],
  ['text that turns the direction', 'user \u202egnp.exe\u2066', 'user ⟨U+202E⟩gnp.exe⟨U+2066⟩'],
  ['other scripts stay', 'שלום 再起動 🚒', 'שלום 再起動 🚒'],
])('%s', (_, line, want) => expect(shownText(line)).toBe(want))
