"""Confidant: a private AI companion in end-to-end-encrypted Matrix rooms."""
