/* SPDX-License-Identifier: MIT */
/* What lighttpd's plugin.c asks for in a static build: the list of modules. */
PLUGIN_INIT(mod_access)
PLUGIN_INIT(mod_alias)
PLUGIN_INIT(mod_indexfile)
PLUGIN_INIT(mod_setenv)
PLUGIN_INIT(mod_staticfile)
PLUGIN_INIT(mod_status)
