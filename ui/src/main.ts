import { mount } from 'svelte'
import App from './App.svelte'
import { beginLanguage } from './i18n/language.svelte'
import { beginTheme } from './theme.svelte'
import './style/base.css'
import './style/print.css'

beginTheme()
beginLanguage()

const target = document.getElementById('app')
if (target) mount(App, { target })
