// Puts text into the clipboard. Browsers offer the clipboard's API only over https and on loopback; elsewhere a
// selected text area does, and where that is refused too the caller shows the text for a person to copy.

/** Whether it is in the clipboard now. */
export async function copyText(text: string): Promise<boolean> {
  try {
    // Not there over plain http, whatever the types say.
    const clipboard = navigator.clipboard as Clipboard | undefined
    if (clipboard) {
      await clipboard.writeText(text)
      return true
    }
  } catch {
    // Refused: the other way may be open.
  }
  return copySelected(text)
}

function copySelected(text: string): boolean {
  const focused = document.activeElement
  const area = document.createElement('textarea')
  area.value = text
  area.readOnly = true
  area.className = 'visually-hidden'
  document.body.append(area)
  area.select()
  try {
    return document.execCommand('copy')
  } catch {
    return false
  } finally {
    area.remove()
    if (focused instanceof HTMLElement) focused.focus()
  }
}
