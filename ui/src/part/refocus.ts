// A list that is sorted anew moves its rows in the document, and a row that is moved loses the focus: it gets it back.

/** For `$effect.pre`: remembers the focused element if it lies in `list`, and gives the focus back after the update. */
export function refocus(list: HTMLElement | undefined, after: Promise<void>): void {
  const focused = document.activeElement
  if (!list || !(focused instanceof HTMLElement) || !list.contains(focused)) return
  void after.then(() => {
    if (focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true })
  })
}
