// Package docs holds guides for people; its tests run what they say.
package docs
